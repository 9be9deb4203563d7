// A program with many mappings and threads: waits to be killed once it said that it is ready.
const { Worker } = require('worker_threads');
for (const name of ['crypto', 'zlib', 'http2', 'tls', 'dns', 'v8', 'inspector', 'wasi']) {
	try { require(name); } catch (e) { /* not in this node */ }
}
const heap = [];
for (let i = 0; i < 200000; i++) heap.push({ id: i, name: 'object ' + i });
const workers = [1, 2].map(() => new Worker('setInterval(() => {}, 1000)', { eval: true }));
let online = 0;
for (const w of workers) w.on('online', () => { if (++online === workers.length) console.log('ready'); });
setInterval(() => heap.length, 1000);
