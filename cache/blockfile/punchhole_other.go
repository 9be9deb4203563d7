//go:build !linux

package blockfile

import (
	"errors"
	"os"
)

// punch is not implemented here: only whole files are evicted.
func punch(*os.File, int64, int64) error { return errors.ErrUnsupported }
