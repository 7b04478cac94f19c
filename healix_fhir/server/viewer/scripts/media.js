/* Lets the service worker ask for videos in the name of who is signed in; taken by the page as the first of its own.

The viewer's own script of this name removes every service worker, and is not wanted here. */

if ("serviceWorker" in navigator) {
  const [{ authority, client_id }] = window.config.oidc;
  navigator.serviceWorker.addEventListener("message", ({ data, ports }) => {
    if (data === "token") {
      const user = JSON.parse(sessionStorage.getItem(`oidc.user:${authority}:${client_id}`));
      ports[0].postMessage(user?.access_token);
    }
  });
  navigator.serviceWorker.startMessages();
  navigator.serviceWorker.register(`${window.config.routerBasename}/media-worker.js`, {
    scope: window.config.routerBasename,
  });
}
