// What the npm package of Standard Webhooks says of a message: one line of JSON, true or false for each secret.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const { secrets, headers, body } = JSON.parse(readFileSync(0, "utf8"));
const holds = (secret) => {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error.name !== "WebhookVerificationError") throw error;
    return false;
  }
};
console.log(JSON.stringify(secrets.map(holds)));
