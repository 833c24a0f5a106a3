// Run as `npx eslint -c tests/js/eslint.config.mjs brickbook tests/js`.
const browser = [
  "document", "window", "IntersectionObserver", "getComputedStyle", "navigator", "setTimeout", "clearTimeout", "requestAnimationFrame",
  "Blob", "URL",
];
const rules = {
  eqeqeq: "error", "no-undef": "error", "no-unused-vars": "error", "no-var": "error", "prefer-const": "error",
  "no-eval": "error", "no-implied-eval": "error", "no-shadow": "error", "no-redeclare": "error",
  "no-unreachable": "error", "no-dupe-keys": "error", "no-fallthrough": "error", "no-self-assign": "error",
  "no-restricted-properties": ["error",
    { object: "document", property: "write" },
    ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) =>
      ({ property, message: "Text only ever becomes text nodes." }))],
  "max-len": ["error", { code: 110 }],
  "max-lines": ["error", 250],
};
const named = (names) => Object.fromEntries(names.map((name) => [name, "readonly"]));

export default [
  { files: ["brickbook/**/*.js"], languageOptions: { globals: named(browser) }, rules },
  { files: ["tests/js/*.mjs"], languageOptions: { globals: named(["process"]) }, rules: { ...rules, "max-len": "off" } },
];
