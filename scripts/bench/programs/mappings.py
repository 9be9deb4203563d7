"""A program with many mappings: what the standard library loads with dlopen, and
four threads. It says that it is ready and waits to be killed."""
import threading, importlib, time
for name in ("ssl", "sqlite3", "ctypes", "decimal", "lzma", "bz2", "curses", "readline", "asyncio", "multiprocessing",
             "xml.parsers.expat", "zoneinfo", "hashlib", "json", "pickle", "mmap", "uuid", "csv", "array", "audioop", "crypt",
             "dbm.gnu", "statistics", "termios", "resource", "syslog", "unicodedata", "zlib", "queue", "contextvars", "_testcapi"):
    try:
        importlib.import_module(name)
    except ImportError:
        pass
def serve(n):
    time.sleep(3600)
for n in range(4):
    threading.Thread(target=serve, args=(n,), daemon=True).start()
heap = bytearray(32 << 20)
print("ready", flush=True)
time.sleep(3600)
