// FerretDB over SQLite, for tests of the MongoDB engine: a server that others wrote, in the place of MongoDB.
// Arguments: the address to listen on, and the folder of its data.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	// It writes a file about itself into its working folder.
	if err := os.Chdir(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: os.Args[1]},
		Handler:   "sqlite",
		SQLiteURL: "file:" + os.Args[2] + "/",
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := server.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
