// Sends a Hugging Face folder of this machine to the server.
//
//	go run ./examples/import -name teacher FOLDER
package main

import (
	"context"
	"flag"
	"fmt"
	"log"

	athanor "athanor/client"
)

func main() {
	log.SetFlags(0)
	target := flag.String("server", athanor.DefaultTarget, "address of the server")
	name := flag.String("name", "teacher", "name to store the model under")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: import [-server HOST:PORT] [-name NAME] FOLDER")
	}
	if err := run(context.Background(), *target, *name, flag.Arg(0)); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, target, name, folder string) error {
	server, err := athanor.Dial(target)
	if err != nil {
		return err
	}
	defer server.Close()
	model, err := server.Upload(ctx, name, folder, true)
	if err != nil {
		return err
	}
	fmt.Printf("%s version %d: %s, %d parameters, %d bytes stored\n",
		model.GetName(), model.GetVersion(), model.GetArchitecture(), model.GetLogicalParameters(), model.GetStoredBytes())
	return nil
}
