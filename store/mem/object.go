package mem

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"thothfs/store"
)

// memObject is one version of an object, or a directory. It is replaced but never changed, so its
// data needs no lock.
type memObject struct {
	data []byte
	attr store.Attr
}

// objects is the flattened tree: each directory has its own entry.
type objects struct {
	mu     sync.Mutex // guards the fields below
	byKey  map[string]*memObject
	names  map[string]map[string]bool // names in each directory
	serial int                        // serial number of the latest version
	noMD5  bool                       // hide the MD5
}

func newObjects() *objects {
	o := &objects{byKey: map[string]*memObject{}, names: map[string]map[string]bool{}}
	o.byKey[""] = o.directoryLocked(time.Now())
	return o
}

func (o *objects) etagLocked() string {
	o.serial++
	return fmt.Sprintf("v%d", o.serial)
}

func (o *objects) directoryLocked(now time.Time) *memObject {
	return &memObject{attr: store.Attr{ETag: o.etagLocked(), ModTime: now.UTC(), Dir: true}}
}

func (o *objects) objectLocked(data []byte, now time.Time) *memObject {
	sum := md5.Sum(data)
	return &memObject{data: data, attr: store.Attr{
		ETag: o.etagLocked(), Size: int64(len(data)), ModTime: now.UTC(), MD5: sum[:],
	}}
}

// attrLocked returns a copy of the attributes of x for clients.
func (o *objects) attrLocked(x *memObject) store.Attr {
	a := x.attr
	a.MD5 = bytes.Clone(a.MD5)
	if o.noMD5 {
		a.MD5 = nil
	}
	return a
}

// parent returns the directory that holds key, and the name of key in it.
func parent(key string) (dir, name string) {
	i := strings.LastIndexByte(key, '/')
	return key[:max(i, 0)], key[i+1:]
}

// putLocked stores x at key and updates the parent. All parents must exist.
func (o *objects) putLocked(key string, x *memObject) {
	dir, name := parent(key)
	if o.byKey[key] == nil {
		if o.names[dir] == nil {
			o.names[dir] = map[string]bool{}
		}
		o.names[dir][name] = true
		o.touchLocked(key)
	}
	o.byKey[key] = x
}

// dropLocked removes key and everything below it, and updates the parent.
func (o *objects) dropLocked(key string) {
	for name := range o.names[key] {
		o.dropLocked(join(key, name))
	}
	dir, name := parent(key)
	delete(o.byKey, key)
	delete(o.names, key)
	delete(o.names[dir], name)
	o.touchLocked(key)
}

// touchLocked gives the directory that holds key a new version.
func (o *objects) touchLocked(key string) {
	dir, _ := parent(key)
	if d := o.byKey[dir]; d != nil && d.attr.Dir {
		o.byKey[dir] = o.directoryLocked(time.Now())
	}
}

// mkdirsLocked creates the directories above key. It returns false if one of them is an object.
func (o *objects) mkdirsLocked(key string) bool {
	if key == "" {
		return true
	}
	dir, _ := parent(key)
	if d := o.byKey[dir]; d != nil {
		return d.attr.Dir
	}
	if !o.mkdirsLocked(dir) {
		return false
	}
	o.putLocked(dir, o.directoryLocked(time.Now()))
	return true
}

// childrenLocked returns the names in dir in byte order.
func (o *objects) childrenLocked(dir string) []string {
	return slices.Sorted(maps.Keys(o.names[dir]))
}

func (o *objects) set(key string, data []byte) store.Attr {
	return o.setTime(key, data, time.Now())
}

func (o *objects) setTime(key string, data []byte, modTime time.Time) store.Attr {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !store.ValidKey(key) || key == "" || !o.mkdirsLocked(key) {
		panic(fmt.Sprintf("mem: %q cannot be an object", key))
	}
	x := o.objectLocked(bytes.Clone(data), modTime)
	o.putLocked(key, x)
	return x.attr
}

func (o *objects) delete(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKey[key] != nil && key != "" {
		o.dropLocked(key)
	}
}

func (o *objects) data(key string) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	x := o.byKey[key]
	if x == nil || x.attr.Dir {
		return nil, false
	}
	return append([]byte{}, x.data...), true
}

func (o *objects) keys() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	keys := []string{}
	for key, x := range o.byKey {
		if !x.attr.Dir {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (o *objects) hideMD5() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.noMD5 = true
}
