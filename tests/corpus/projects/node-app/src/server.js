const http = require('node:http');
const { wait } = require('./wait');

http.createServer((request, response) => {
  response.end(`@VERSION@: ${wait('2h')}, user ${process.getuid()}\n`);
}).listen(process.env.PORT || 3000, '127.0.0.1');
