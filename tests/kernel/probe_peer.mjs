// What busybox cannot serve: grpc.health.v1.Health over HTTP/2 without TLS on 5000, HTTPS on 8443, redirects on 8080.
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";

// Made for this test, trusted by nobody.
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgD9odnvs3XdU5t/OL
Hqupz9QO7b4cArhIYMDiieXJ7+ehRANCAATFu3r2CsztMCt5GJ2jOP3LTwv7oIgM
IrAp5k8mzsTx6l+e/sFPyNIll0JqwCtl+TCJzRMhPWG+Hdda+1FbU1eO
-----END PRIVATE KEY-----`;
const cert = `-----BEGIN CERTIFICATE-----
MIIBgjCCASegAwIBAgIUfsrtAxE4yqV0gx/zTKjy7gEqmdQwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKcHJvYmUtcGVlcjAgFw0yNjExMjAxMTQxNTlaGA8yMTI2MTAy
NzExNDE1OVowFTETMBEGA1UEAwwKcHJvYmUtcGVlcjBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABMW7evYKzO0wK3kYnaM4/ctPC/ugiAwisCnmTybOxPHqX57+wU/I
0iWXQmrAK2X5MInNEyE9Yb4d11r7UVtTV46jUzBRMB0GA1UdDgQWBBR40CFR9/E7
+dvfYPYV5hwivqRpKjAfBgNVHSMEGDAWgBR40CFR9/E7+dvfYPYV5hwivqRpKjAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCliaLID+Zopm5+5kLB
urDsnuMQAN4EkyWk4/usAqg9bAIhAIZyuT5UyfSq/e7n+5pGAhhu8Bli5YIKCqM0
2GmkLkq+
-----END CERTIFICATE-----`;

// A message is five bytes and a protobuf record; field 1 is the service of the question and the status of the answer.
function serviceOf(body) {
	return body.length > 7 ? body.subarray(7).toString() : "";
}

http2.createServer((request, response) => {
	const parts = [];
	request.on("data", part => parts.push(part));
	request.on("end", () => {
		const service = serviceOf(Buffer.concat(parts));
		if (request.url !== "/grpc.health.v1.Health/Check" || request.headers["content-type"] !== "application/grpc") {
			response.stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "12" }, { endStream: true });
		} else if (service !== "" && service !== "down") {
			response.stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "5", "grpc-message": "unknown service" },
				{ endStream: true });
		} else {
			response.writeHead(200, { "content-type": "application/grpc" });
			response.addTrailers({ "grpc-status": "0" });
			response.end(Buffer.from([0, 0, 0, 0, 2, 8, service === "down" ? 2 : 1]));
		}
	});
}).listen(5000, "127.0.0.1");

https.createServer({ key, cert }, (request, response) => {
	const fine = request.url === "/secure" && request.headers["x-probe"] === "yes" && request.headers.host === "example.org" &&
		request.headers["user-agent"].startsWith("kube-probe/");
	response.writeHead(fine ? 200 : 400);
	response.end("x".repeat(100000));
}).listen(8443, "127.0.0.1");

http.createServer((request, response) => {
	if (request.url === "/moved")
		response.writeHead(302, { location: "https://127.0.0.1:8443/secure" });
	else
		response.writeHead(404);
	response.end();
}).listen(8080, "127.0.0.1");
