// 16 MB in a list of small pieces, each checked at the end. Exits with 7 where all are as they were written, with 9 where one is not.
package main

import (
	"fmt"
	"os"
)

type node struct {
	next *node
	data [100]byte
}

func main() {
	var head *node
	for round := 0; round < 8; round++ {
		for i := 0; i < 20000; i++ {
			head = &node{next: head}
			for j := range head.data {
				head.data[j] = byte(round)
			}
		}
		fmt.Fprintln(os.Stderr, "round", round)
	}
	n := 0
	for at := head; at != nil; at = at.next {
		want := byte(7 - n/20000)
		for _, b := range at.data {
			if b != want {
				os.Exit(9)
			}
		}
		n++
	}
	fmt.Println("fine")
	os.Exit(7)
}
