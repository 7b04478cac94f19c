/* Asks for videos in the name of who is signed in.

A browser's <video> cannot send a token, and the viewer gives it nothing but an address. So this service worker sends
its requests, ranges and all, with the token of the page that the video is in: no token in an address, no cookie.

Spec: RFC 6750 2.1; w3.org/TR/service-workers */

const PATIENCE = 5000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const played = request.destination === "video" || request.destination === "audio";
  if (played && origin === self.location.origin && pathname.startsWith("/dicomweb/")) {
    event.respondWith(authorized(event));
  }
});

async function authorized({ request, clientId }) {
  const page = await self.clients.get(clientId);
  const token = page && (await tokenOf(page));
  const headers = new Headers(request.headers);
  if (token) {
    headers.set("Authorization", `Bearer ${token}`);
  }
  return fetch(request.url, { headers, credentials: "omit", redirect: "error", signal: request.signal });
}

/* What a page answers when it is asked for its token; undefined from one that does not answer. */
function tokenOf(page) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const timer = setTimeout(resolve, PATIENCE);
    port1.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data);
    };
    page.postMessage("token", [port2]);
  });
}
