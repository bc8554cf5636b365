/* Shows the schema of the API, and sends what is tried out. Tokens stay in this page: reloading forgets them. */
"use strict";

const place = document.getElementById("swagger");

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
