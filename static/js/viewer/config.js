// What the page was told: addresses, close codes, and sentences in the person's language.
const block = (id) => JSON.parse(document.getElementById(id).textContent);

export const config = block("viewer-config");
const words = block("viewer-words");

export const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
