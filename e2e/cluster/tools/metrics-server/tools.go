//go:build tools

// Package tools pins what e2e/cluster builds of this set. It holds no code of its own.
package tools

import (
	_ "sigs.k8s.io/metrics-server/cmd/metrics-server"
)
