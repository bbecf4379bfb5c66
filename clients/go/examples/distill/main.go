// Trains a student towards its teacher and shows the loss on the way. Ctrl-C stops the job; what it had done is kept.
//
//	go run ./examples/distill -student half -teacher teacher -name student TEXT_ON_THE_SERVER
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	athanor "athanor/client"
	"athanor/client/gen/athanorv1"
)

func main() {
	log.SetFlags(0)
	target := flag.String("server", athanor.DefaultTarget, "address of the server")
	student := flag.String("student", "half", "model to train")
	teacher := flag.String("teacher", "teacher", "model to learn from")
	name := flag.String("name", "student", "name to store the result under")
	steps := flag.Uint("steps", 100, "optimizer steps")
	batch := flag.Uint("batch", 8, "sequences in a step")
	length := flag.Uint("length", 128, "tokens of a sequence")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: distill [flags] TEXT_ON_THE_SERVER")
	}
	server, err := athanor.Dial(*target)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err = run(ctx, server, &athanorv1.DistillSpec{
		Student: *student,
		Teacher: *teacher,
		Name:    *name,
		Data:    athanor.TextFiles(flag.Arg(0)),
		Settings: &athanorv1.DistillSettings{
			Steps:          athanor.Ptr(uint32(*steps)),
			BatchSize:      athanor.Ptr(uint32(*batch)),
			SequenceLength: athanor.Ptr(uint32(*length)),
		},
		Replace: true,
	})
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, server *athanor.Client, spec *athanorv1.DistillSpec) error {
	job, err := server.Distill(ctx, spec)
	if err != nil {
		return err
	}
	for event, err := range job.Events(ctx, 0) {
		if errors.Is(err, context.Canceled) {
			_, err := job.Cancel(context.WithoutCancel(ctx))
			return err
		}
		if err != nil {
			return err
		}
		if progress := event.GetProgress(); progress != nil {
			fmt.Fprintln(os.Stderr, athanor.ProgressLine(progress))
		}
	}
	result, err := job.Wait(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d steps, last loss %.4f\n", result.GetModel().GetName(), result.GetSteps(), result.GetFinalLoss())
	return nil
}
