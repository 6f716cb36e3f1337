// An origin of the trial `keepalive`: answers a number with its own bytes, and records every POST. For Node.
"use strict";
const fs = require("node:fs");
const http = require("node:http");

const record = fs.openSync(process.env.RECORD, "a");

function bytes(number, length) {
  const pattern = String(number).padStart(15, "0") + "\n";
  return Buffer.alloc(length, pattern);
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://origin");
  const number = Number(url.pathname.slice(url.pathname.lastIndexOf("/") + 1));
  const body = bytes(number, Number(url.searchParams.get("length")));
  const sent = [];
  request.on("data", (part) => sent.push(part));
  request.on("end", () => {
    const whole = Buffer.concat(sent);
    if (!whole.equals(bytes(number, whole.length))) {
      response.writeHead(400).end();
      return;
    }
    if (request.method === "POST") fs.writeSync(record, `${number}\n`);
    const headers = { "Content-Length": body.length, "X-Number": number, "X-Method": request.method };
    response.writeHead(200, headers).end(body);
  });
});

// Node's own default, written down: what the trial is about.
server.keepAliveTimeout = 5000;
server.listen(Number(process.argv[3]), process.argv[2]);
