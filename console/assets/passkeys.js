// Passkeys: what a page without JavaScript can't do. The section's data- attributes say which ceremony, and where.
"use strict";

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const identified = (list) => (list || []).map((item) => ({ ...item, id: bytes(item.id) }));

async function send(address, token, body, reload) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
    body: JSON.stringify(body),
  });
  if (answer.redirected) throw new Error(reload);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

async function create(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: identified(options.excludeCredentials),
    },
  });
  return {
    id: made.id,
    rawId: text(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports ? made.response.getTransports() : [],
    },
  };
}

async function get(options) {
  const found = await navigator.credentials.get({
    publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: identified(options.allowCredentials) },
  });
  return {
    id: found.id,
    rawId: text(found.rawId),
    type: found.type,
    response: {
      clientDataJSON: text(found.response.clientDataJSON),
      authenticatorData: text(found.response.authenticatorData),
      signature: text(found.response.signature),
      userHandle: found.response.userHandle && text(found.response.userHandle),
    },
  };
}

for (const section of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  const { passkey, options, result, csrf, next, reload, cancelled } = section.dataset;
  const wrong = section.querySelector("[role=alert]");
  section.hidden = false;
  section.querySelector("button").addEventListener("click", async (event) => {
    event.target.disabled = true;
    wrong.hidden = true;
    try {
      const wanted = await send(options, csrf, {}, reload);
      if (passkey === "create") {
        const name = section.querySelector("[data-name]").value;
        await send(result, csrf, { credential: await create(wanted), name }, reload);
        location.assign(next);
      } else {
        location.assign((await send(result, csrf, { credential: await get(wanted), next }, reload)).next);
      }
    } catch (error) {
      wrong.textContent = error.name === "NotAllowedError" ? cancelled : error.message;
      wrong.hidden = false;
      event.target.disabled = false;
    }
  });
}
