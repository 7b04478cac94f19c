// Asks the browser for a passkey when a form with `data-ceremony` is sent, and sends what it answers along with the form.
// Spec: WebAuthn Level 2, w3.org/TR/webauthn-2/#sctn-api
"use strict";

const bytes = text =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), letter => letter.charCodeAt(0));
const text = buffer =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const named = list => (list || []).map(one => ({...one, id: bytes(one.id)}));

const reasons = {
  NotAllowedError: "Nothing was chosen, or it took too long. Please try again.",
  InvalidStateError: "There is a passkey of your account on this device already.",
  NotSupportedError: "This device cannot make such a passkey.",
  SecurityError: "Passkeys do not work at this address of the server.",
};

async function made(options) {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: {...options.user, id: bytes(options.user.id)},
    excludeCredentials: named(options.excludeCredentials),
  };
  const found = await navigator.credentials.create({publicKey});
  return answer(found, {attestationObject: text(found.response.attestationObject)});
}

async function signed(options) {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: named(options.allowCredentials),
  };
  const found = await navigator.credentials.get({publicKey});
  const {authenticatorData, signature, userHandle} = found.response;
  const handle = userHandle && userHandle.byteLength ? {userHandle: text(userHandle)} : {};
  return answer(found, {authenticatorData: text(authenticatorData), signature: text(signature), ...handle});
}

function answer(found, response) {
  const clientDataJSON = text(found.response.clientDataJSON);
  return JSON.stringify({id: found.id, rawId: text(found.rawId), type: found.type, response: {clientDataJSON, ...response}});
}

async function ask(form) {
  const button = form.querySelector("button");
  const alert = form.querySelector("[role=alert]");
  button.disabled = true;
  alert.hidden = true;
  try {
    const ceremony = form.dataset.ceremony === "create" ? made : signed;
    form.elements.credential.value = await ceremony(JSON.parse(form.dataset.options));
    form.submit();
  } catch (error) {
    alert.textContent = reasons[error.name] || "That did not work. Please try again.";
    alert.hidden = false;
    button.disabled = false;
    button.focus();
  }
}

for (const form of document.querySelectorAll("form[data-ceremony]")) {
  if (!window.PublicKeyCredential) {
    form.querySelector("[role=alert]").textContent = "This browser has no passkeys.";
    form.querySelector("[role=alert]").hidden = false;
    form.querySelector("button").disabled = true;
    continue;
  }
  form.hidden = false;
  form.addEventListener("submit", event => {
    event.preventDefault();
    ask(form);
  });
  if ("atOnce" in form.dataset) {
    ask(form);
  }
}
