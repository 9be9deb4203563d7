package mem_test

import (
	"testing"

	"go.uber.org/goleak"

	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return mem.New() }, storetest.Features{})
}

func TestContractWithoutMD5(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store {
		s := mem.New()
		s.HideMD5()
		return s
	}, storetest.Features{NoMD5: true, Entries: 300})
}
