package signature_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"thothfs/scripts"
	"thothfs/signature"
)

func defaultSkip(t testing.TB) *signature.Skip {
	t.Helper()
	skip, err := signature.ParseSkip(scripts.Skip)
	if err != nil {
		t.Fatal(err)
	}
	return skip
}

const (
	abrt = 6
	segv = 11
	alrm = 14
)

// TestOf checks the signatures of stacks in the forms that debuggers write.
func TestOf(t *testing.T) {
	modules := []signature.Module{
		{Path: "/usr/bin/app (deleted)", BuildID: "0123456789abcdef", Start: 0x400000, End: 0x500000},
		{Path: "/lib/libx.so.1.2.3", BuildID: "fedcba9876543210", Start: 0x7f0000000000, End: 0x7f0000010000},
		{Path: "/lib/libc-2.31.so", Start: 0x7f0000010000, End: 0x7f0000020000},
	}
	for _, c := range []struct{ stack, want string }{
		{"libc.so.1`_lwp_kill+0x15()|libc.so.1`raise+0x2b()|libc.so.1`abort+0x10e()|utmpx_postfork+0x44(1, 2)|libc.so.1`_lwp_start()", "app: utmpx_postfork"},
		{"libc.so.1`_lwp_kill+0x15()|libc.so.1`raise+0x2b()|libc.so.1`utmpx_postfork+0x44()|libc.so.1`_lwp_start()", "app: libc.so`utmpx_postfork"},
		{"a.constprop.0.isra.1+0x1()|b.cold+0x2()|c.part.0+0x3()", "app: a < b < c"},
		{"vec<int, a<b> >::at(unsigned long) const+0x1()|int ns::f<int>(int)+0x3()", "app: vec::at < ns::f"},
		{"std::vector<int, a<b> >::at(unsigned long) const+0x1()|int ns::f<int>(int)+0x3()", "/std app: ns::f"},
		{"(anonymous namespace)::V<int>::operator<<(int)+0x1()|foo(int) [clone .cold]+0x2()", "app: {anonymous}::V::operator<< < foo"},
		{"main::{lambda(int)#1}::operator()(int) const [clone .isra.0]+0x3()|x::operator->() const+0x1()|y::operator bool() const+0x1()", "app: main::{lambda#1}::operator() < x::operator-> < y::operator bool"},
		{"core::panicking::panic_fmt::h0123456789abcdef+0x1()|app::run::hfedcba9876543210+0x1()|<a::B<T> as c::D>::m+0x1()", "/panic app: app::run < <a::B as c::D>::m"},
		{"core[c1f1]::option::unwrap_failed+0x1()|core::option::Option<i32>::unwrap<i32>()|r::main::{{closure}}::h636dfffc197bba02+0x3()|r::Bag$LT$T$GT$::get::h636dfffc197bba02+0x3()", "/unwrap app: r::main::{closure} < r::Bag::get"},
		{"runtime.raise.abi0+0x21()|runtime.gopanic+0x1()|main.(*T[go.shape.int]).Get+0x1()|main.main+0x1()|runtime.main+0x1()", "/panic app: main.(*T).Get < main.main"},
		{"runtime.raise.abi0+0x21()|runtime.gopanic+0x1()|main.(*session)[note]+0x2b()|example.org/x/relay.session[close]+0x2b()|main.serve+0x1()", "/panic app: main.(*session).note < example.org/x/relay.session.close < main.serve"},
		{"runtime.raise.abi0()|runtime.fatalpanic()|runtime.gopanic()|runtime.panicmem()|runtime.sigpanic()|main.f()", "/fault app: main.f"},
		{"a+0x1()|b+0x1()|a+0x9()|b+0x9()|main+0x1()", "app: a < b < main"},
		{"a+0x1()|b+0x1()|c()|d()|e()|f()", "app: a < b < c < d < e"},
		{"__strlen_avx2+0x1()|a+0x1()", "/libc app: a"},
		{"libc.so.6`__strlen_avx2+0x1()|a+0x1()", "/libc app: a"},
		{"libc.so.6`poll+0x4d()|libc.so.6`start_thread+0x1()|libc.so.6`clone3+0x2c()", "app: libc.so`poll"},
		{`a"b\c+0x1()|main+0x1()`, `app: a"b\c < main`},
		{"libc.so.6`__assert_fail_base+0x1()|libc.so.6`__assert_fail+0x1()|a()|main()", "/assert app: a < main"},
		// A bug in a library has the same signature in all programs if two of its functions are
		// on top.
		{"libx.so.1`f()|libx.so.1`g()|main()", "libx.so: f < g"},
		{"libx.so.1`f()|main()", "libx.so: f < app`main"},
		{"callback()|libx.so.1`g()|main()", "app: callback < libx.so`g < main"},
		{"pack.cpython-311-x86_64-linux-gnu.so`f()|pack.cpython-311-x86_64-linux-gnu.so`g()|_PyEval_EvalFrameDefault()", "pack.so: f < g"},
		// Frames without symbols.
		{"libx.so.1`+0x1234()|libx.so.1`+0x42()|main()", "libx.so: libx.so+0x1234@fedcba98 < libx.so+0x42@fedcba98"},
		{"0x7f0000001234()|0x401000()", "libx.so: libx.so+0x1234@fedcba98 < app+0x1000@01234567"},
		{"0x7f0000011234()|app`+0x1000()", "/libc app: app+0x1000@01234567"},
		{"0x0()|a+0x1()|0x10()", "app: ? < a"},
		{"0x0000000000401000()", "app: app+0x1000@01234567"},
	} {
		got, err := signature.Of(signature.Death{Stack: strings.Split(c.stack, "|"), Program: "/usr/bin/app", Modules: modules, Signal: segv}, defaultSkip(t))
		want := "memory " + c.want
		if strings.HasPrefix(c.want, "/") {
			want = "memory" + c.want
		}
		if err != nil || got.Text != want || len(got.Hash) != 16 || got.Class != "memory" || got.Program != "app" {
			t.Errorf("%s:\n%+v, %v, want %q", c.stack, got, err, want)
		}
	}
}

// TestOfHandlers checks that the interrupted code counts if it was at fault, and otherwise the
// handler.
func TestOfHandlers(t *testing.T) {
	const tail = "|libc.so.6`__restore_rt+0x0()|parse()|main()"
	for _, c := range []struct {
		signal, handled int
		sent            bool
		above, want     string
	}{
		{abrt, segv, false, "libc.so.6`raise()|libc.so.6`abort()|reporter()", "memory app: parse < main"},
		{segv, segv, false, "reporter()", "memory app: parse < main"},
		{abrt, 0, false, "libc.so.6`abort()|reporter()", "handled app: parse < main"},
		{abrt, alrm, false, "libc.so.6`abort()|on_alarm()", "watchdog app: parse < main"},
		{abrt, 0, true, "libc.so.6`abort()|on_alarm()", "watchdog app: parse < main"},
		{segv, alrm, false, "tick()|on_alarm()", "memory app: tick < on_alarm"},
		{segv, 0, true, "tick()|on_alarm()", "memory app: tick < on_alarm"},
		{abrt, alrm, false, "libc.so.6`abort()|libc.so.6`__assert_fail()|tick()|on_alarm()", "abort/assert app: tick < on_alarm"},
		{abrt, segv, false, "libc.so.6`abort()|reporter()|sigreturn()|tick()|on_alarm()", "memory app: tick < on_alarm"},
	} {
		d := signature.Death{Stack: strings.Split(c.above+tail, "|"), Program: "app", Signal: c.signal, Handled: c.handled, Sent: c.sent}
		if got, err := signature.Of(d, defaultSkip(t)); err != nil || got.Text != c.want {
			t.Errorf("%+v: %q, %v", c, got.Text, err)
		}
	}
}

// TestOfRecursion checks that the function in which an endless recursion hit the end of the
// stack does not matter.
func TestOfRecursion(t *testing.T) {
	deep := slices.Repeat([]string{"ping()", "pong()"}, 100)
	want := ""
	for _, stack := range [][]string{deep, deep[1:], append([]string{"libc.so.6`memset()"}, deep...), append([]string{"leaf()"}, deep...)} {
		got, err := signature.Of(signature.Death{Stack: stack, Program: "app", Signal: segv, Overflow: true}, defaultSkip(t))
		if err != nil || got.Text != "memory/overflow app: ping < pong" || want != "" && got.Hash != want {
			t.Errorf("%v: %+v, %v", stack[:3], got, err)
		}
		want = got.Hash
	}
	// Without an overflow, the depth of a recursion does not matter either.
	for _, n := range []int{1, 20, 300} {
		stack := append(slices.Concat([]string{"leaf()"}, slices.Repeat([]string{"walk()"}, n)), "main()")
		if got, err := signature.Of(signature.Death{Stack: stack, Program: "app", Signal: segv}, defaultSkip(t)); err != nil || got.Text != "memory app: leaf < walk < main" {
			t.Errorf("%d: %+v, %v", n, got, err)
		}
	}
}

func TestOfNothing(t *testing.T) {
	for _, stack := range [][]string{nil, {"0x10()", "0x20()"}, {"libc.so.6`raise()", "_start()"}, {"libc.so.6`+0x35428()", "libc.so.6`+0x3702a()"}} {
		if got, err := signature.Of(signature.Death{Stack: stack, Program: "app"}, defaultSkip(t)); !errors.Is(err, signature.ErrNameless) {
			t.Errorf("%v: %+v, %v", stack, got, err)
		}
	}
}

// TestOfScripts checks that a crash inside an interpreter has no signature: only the
// interpreter's functions are on the stack, and they look the same for all bugs in scripts.
func TestOfScripts(t *testing.T) {
	for stack, want := range map[string]string{
		"libc.so.6`abort()|libpython3.11.so.1.0`os_abort()|libpython3.11.so.1.0`cfunction_vectorcall_NOARGS()|libpython3.11.so.1.0`_PyEval_EvalFrameDefault()|main()": "",
		"v8::base::OS::Abort()|v8::internal::Isolate::ThrowInternal()|Builtins_InterpreterEntryTrampoline()|0x10()|node::Start()|main()":                              "",
		"libc.so.6`poll()|libpython3.11.so.1.0`select_poll()|libpython3.11.so.1.0`_PyEval_EvalFrameDefault()|main()":                                                  "",
		"pack.so`f()|libpython3.11.so.1.0`_PyEval_EvalFrameDefault()|main()":                                                                                          "abort pack.so: f < app`main",
	} {
		got, err := signature.Of(signature.Death{Stack: strings.Split(stack, "|"), Program: "app", Signal: abrt}, defaultSkip(t))
		if got.Text != want || want == "" && !errors.Is(err, signature.ErrScript) {
			t.Errorf("%s: %+v, %v", stack, got, err)
		}
	}
}

// TestOfDiffers checks which changes to a death change its signature and which do not.
func TestOfDiffers(t *testing.T) {
	base := signature.Death{Stack: []string{"add()", "main()"}, Program: "/usr/bin/checkout", Signal: abrt}
	same := func(change func(*signature.Death)) bool {
		d := base
		d.Stack = slices.Clone(base.Stack)
		change(&d)
		a, err1 := signature.Of(base, defaultSkip(t))
		b, err2 := signature.Of(d, defaultSkip(t))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		return a.Hash == b.Hash
	}
	for name, change := range map[string]func(*signature.Death){
		"program": func(d *signature.Death) { d.Program = "/usr/bin/ledger" },
		"signal":  func(d *signature.Death) { d.Signal = segv },
		"caller":  func(d *signature.Death) { d.Stack[1] = "run()" },
		"module":  func(d *signature.Death) { d.Stack[0] = "libx.so`add()" },
		"cause":   func(d *signature.Death) { d.Stack = append([]string{"libc.so`__assert_fail()"}, d.Stack...) },
	} {
		if same(change) {
			t.Errorf("another %s, the same signature", name)
		}
	}
	for name, change := range map[string]func(*signature.Death){
		"directory": func(d *signature.Death) { d.Program = "/opt/2.0/bin/checkout" },
		"offset":    func(d *signature.Death) { d.Stack[0] = "add(Cart&)+0x17()" },
		"abort": func(d *signature.Death) {
			d.Stack = append([]string{"libc.so.6`+0x8aeec()", "libc.so.6`abort()"}, d.Stack...)
		},
		"start": func(d *signature.Death) { d.Stack = append(d.Stack, "libc.so.6`__libc_start_main()", "_start()") },
	} {
		if !same(change) {
			t.Errorf("another %s, another signature", name)
		}
	}
}

func TestParseSkip(t *testing.T) {
	skip, err := signature.ParseSkip([]byte("# mine\n\n-\tlog_and_die\nfatal  libx\\.so`\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := signature.Of(signature.Death{Stack: []string{"log_and_die()", "libx.so.1`f()", "abort()", "main()"}, Program: "app", Signal: abrt}, skip)
	if err != nil || got.Text != "abort/fatal app: abort < main" {
		t.Errorf("%+v, %v", got, err)
	}
	if own, other := skip.RuleName(true), skip.RuleName(false); own != "2" || !strings.HasPrefix(other, "2-") || other == own {
		t.Errorf("rules %q, %q", own, other)
	}
	for _, bad := range []string{"raise", "- a b", "- (", "- (`x", strings.Repeat("#", 1<<19)} {
		if _, err := signature.ParseSkip([]byte(bad)); err == nil {
			t.Errorf("%.20q was taken", bad)
		}
	}
}

func TestClass(t *testing.T) {
	got := map[string][]string{}
	for n := range 70 {
		got[signature.Class(n)] = append(got[signature.Class(n)], signature.SignalName(n))
	}
	delete(got, "other")
	if text := fmt.Sprint(got); text != "map[abort:[SIGABRT] arithmetic:[SIGFPE] illegal:[SIGILL SIGTRAP] memory:[SIGBUS SIGSEGV] none:[] watchdog:[SIGQUIT SIGALRM SIGXCPU SIGVTALRM SIGPROF]]" {
		t.Error(text)
	}
}

// FuzzOf checks that Of accepts any text as a stack.
func FuzzOf(f *testing.F) {
	skip := defaultSkip(f)
	f.Add("libc.so.1`raise+0x2b()|(anonymous namespace)::V<int>::operator<<(int)+0x1()|<a::B<T> as c::D>::m+0x1()|sigreturn()|0x10()|+0x3()|`()")
	f.Fuzz(func(t *testing.T, stack string) {
		s, err := signature.Of(signature.Death{Stack: strings.Split(stack, "|"), Program: "app", Signal: segv, Overflow: len(stack)%2 == 0}, skip)
		if err == nil && (len(s.Hash) != 16 || s.Text == "") {
			t.Errorf("%+v", s)
		}
	})
}
