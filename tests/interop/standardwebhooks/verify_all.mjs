// Verify each delivery of a file, a line of JSON each, at the time it was received: v1 by the npm package of Standard
// Webhooks for each secret, v1a by Node's own crypto. Prints how many hold, and the ids of those that do not.
import { createPublicKey, verify } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

function check({ secrets, x, headers, body }) {
  const bytes = Buffer.from(body, "base64");
  for (const secret of secrets) new Webhook(secret).verify(bytes, headers);
  if (!x) return true;
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), bytes]);
  return headers["webhook-signature"]
    .split(" ")
    .some((one) => one.startsWith("v1a,") && verify(null, signed, key, Buffer.from(one.slice(4), "base64")));
}

let verified = 0;
const rejected = [];
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  const delivery = JSON.parse(line);
  Date.now = () => delivery.at * 1000;
  try {
    if (!check(delivery)) throw new Error("the signature v1a is wrong");
    verified += 1;
  } catch (error) {
    rejected.push(`${delivery.headers["webhook-id"]}: ${error.message}`);
  }
}
console.log(JSON.stringify({ verified, rejected }));
