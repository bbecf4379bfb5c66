// Measures models on one text, against a teacher.
//
//	go run ./examples/evaluate -teacher teacher HELD_OUT_TEXT_ON_THE_SERVER half student
package main

import (
	"context"
	"flag"
	"fmt"
	"log"

	athanor "athanor/client"
	"athanor/client/gen/athanorv1"
)

func main() {
	log.SetFlags(0)
	target := flag.String("server", athanor.DefaultTarget, "address of the server")
	teacher := flag.String("teacher", "teacher", "model to compare with")
	window := flag.Uint("window", 256, "tokens of a window")
	flag.Parse()
	if flag.NArg() < 2 {
		log.Fatal("usage: evaluate [flags] TEXT_ON_THE_SERVER MODEL ...")
	}
	server, err := athanor.Dial(*target)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	fmt.Printf("%-16s %14s %14s %10s\n", "model", "stored bytes", "bits per byte", "same top-1")
	for _, model := range flag.Args()[1:] {
		spec := &athanorv1.EvaluateSpec{
			Model:   model,
			Teacher: *teacher,
			Data:    athanor.TextFiles(flag.Arg(0)),
			Settings: &athanorv1.EvaluateSettings{
				Window:  athanor.Ptr(uint32(*window)),
				Latency: athanor.Ptr(false),
			},
		}
		if err := run(context.Background(), server, spec); err != nil {
			log.Fatal(err)
		}
	}
}

func run(ctx context.Context, server *athanor.Client, spec *athanorv1.EvaluateSpec) error {
	job, err := server.Evaluate(ctx, spec)
	if err != nil {
		return err
	}
	report, err := job.Wait(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%-16s %14d %14.4f %9.1f%%\n", spec.GetModel(), report.GetStoredBytes(), report.GetBitsPerByte(), 100*report.GetTop1Agreement())
	return nil
}
