// The data in the page: addresses, close codes, and messages in the user's language.
const block = (id) => JSON.parse(document.getElementById(id).textContent);

export const config = block("viewer-config");
const messages = block("viewer-messages");

export const say = (key, values = {}) => messages[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
