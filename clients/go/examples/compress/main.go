// Halves a model by low-rank factors that are fitted to calibration text, with progress.
//
//	go run ./examples/compress -model teacher -name half TEXT_ON_THE_SERVER
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"

	athanor "athanor/client"
	"athanor/client/gen/athanorv1"
)

func main() {
	log.SetFlags(0)
	target := flag.String("server", athanor.DefaultTarget, "address of the server")
	model := flag.String("model", "teacher", "model to start from")
	name := flag.String("name", "half", "name to store the result under")
	ratio := flag.Float64("ratio", 0.5, "stored elements afterwards, relative to before")
	sequences := flag.Uint("sequences", 64, "sequences of calibration text")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: compress [flags] TEXT_ON_THE_SERVER")
	}
	server, err := athanor.Dial(*target)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	options := athanor.CompressOptions{
		Name:        *name,
		Recipe:      athanor.Steps(&athanorv1.LowRank{Ratio: ratio, Method: athanor.Ptr("whitened")}),
		Data:        athanor.TextFiles(flag.Arg(0)),
		Calibration: &athanorv1.Calibration{Sequences: athanor.Ptr(uint32(*sequences))},
		Replace:     true,
	}
	if err := run(context.Background(), server, *model, options); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, server *athanor.Client, model string, options athanor.CompressOptions) error {
	job, err := server.Compress(ctx, model, options)
	if err != nil {
		return err
	}
	result, err := job.Wait(ctx, athanor.PrintProgress(os.Stderr))
	if err != nil {
		return err
	}
	for _, step := range result.GetSteps() {
		fmt.Printf("%s: %d bytes -> %d bytes\n", step.GetMethod(), step.GetStoredBytesBefore(), step.GetStoredBytesAfter())
	}
	fmt.Printf("%s: %d matrices changed, %d bytes stored\n", result.GetModel().GetName(), len(result.GetChanges()), result.GetModel().GetStoredBytes())
	return nil
}
