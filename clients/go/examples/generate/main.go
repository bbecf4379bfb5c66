// Continues a prompt and shows the text as it comes.
//
//	go run ./examples/generate -model student 'The city of'
package main

import (
	"context"
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
	model := flag.String("model", "student", "model to use")
	tokens := flag.Uint("tokens", 40, "most tokens to generate")
	temperature := flag.Float64("temperature", 0, "0 always takes the likeliest token")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: generate [flags] PROMPT")
	}
	server, err := athanor.Dial(*target)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	request := athanor.Prompt(*model, flag.Arg(0))
	request.MaxNewTokens = athanor.Ptr(uint32(*tokens))
	request.Temperature = temperature
	if err := run(ctx, server, request); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, server *athanor.Client, request *athanorv1.GenerateRequest) error {
	fmt.Print(request.GetText())
	for piece, err := range server.Generate(ctx, request) {
		if err != nil {
			fmt.Println()
			return err
		}
		fmt.Print(piece.GetText())
		if usage := piece.GetUsage(); usage != nil {
			fmt.Fprintf(os.Stderr, "\n%d tokens, the first after %.0f ms, all after %.0f ms", usage.GetGeneratedTokens(), usage.GetFirstTokenMs(), usage.GetTotalMs())
		}
	}
	fmt.Println()
	return nil
}
