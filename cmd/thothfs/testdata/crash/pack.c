// An extension of Python.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NOINLINE __attribute__((noinline))
static NOINLINE long first(const long *p) { return p[0] + 1; }
static NOINLINE long squeeze(const long *p) { return first(p) * 2; }
static NOINLINE long unfold(const long *p) { return first(p) * 3; }
static PyObject *pack(PyObject *self, PyObject *none) { return PyLong_FromLong(squeeze(NULL)); }
static PyObject *unpack(PyObject *self, PyObject *none) { return PyLong_FromLong(unfold(NULL)); }
static PyMethodDef methods[] = {{"pack", pack, METH_NOARGS, ""}, {"unpack", unpack, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "pack", "", -1, methods};
PyMODINIT_FUNC PyInit_pack(void) { return PyModule_Create(&module); }
