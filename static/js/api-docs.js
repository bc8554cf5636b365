/* Show the API's schema and send requests from the page. Tokens are kept in the page only, until it is reloaded. */
"use strict";

const container = document.getElementById("swagger");

// Swagger UI has a dark mode, but follows neither the system's setting nor ours.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
function followTheme() {
  root.classList.toggle("dark-mode", root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
}
followTheme();
system.addEventListener("change", followTheme);
new MutationObserver(followTheme).observe(root, { attributeFilter: ["data-theme"] });

SwaggerUIBundle({
  domNode: container,
  url: container.dataset.schema,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  tryItOutEnabled: true,
  validatorUrl: null,  // or Swagger UI would request a badge from an external host
  requestInterceptor(request) {
    if (request.loadSpec) request.headers.Accept = "application/vnd.oai.openapi+json";
    return request;
  },
});
