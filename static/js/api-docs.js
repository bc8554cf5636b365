/* Shows the schema of the API, and sends what is tried out. Tokens stay in this page: reloading forgets them. */
"use strict";

const place = document.getElementById("swagger");

// Swagger UI knows light and dark, but asks neither the system nor our own switch.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
function follow() {
  root.classList.toggle("dark-mode", root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
}
follow();
system.addEventListener("change", follow);
new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] });

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  tryItOutEnabled: true,
  validatorUrl: null,  // else a badge would be asked for from a foreign host
  requestInterceptor(request) {
    if (request.loadSpec) request.headers.Accept = "application/vnd.oai.openapi+json";
    return request;
  },
});
