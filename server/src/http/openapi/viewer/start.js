"use strict";
// `validatorUrl: null`: the default sends the description's address to a service outside.
window.SwaggerUIBundle({
  url: "/api/v2/openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  validatorUrl: null,
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
