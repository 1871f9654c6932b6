require('http').createServer((request, response) => response.end('hello from stock\n')).listen(3000);
for (const signal of ['SIGTERM', 'SIGINT'])
	process.on(signal, () => process.exit(0));
