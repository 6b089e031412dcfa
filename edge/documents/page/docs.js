// Starts Swagger UI on the document beside this page. It may talk to this origin alone.
"use strict";

const place = document.getElementById("interface");
const dark = window.matchMedia("(prefers-color-scheme: dark)");

// Swagger UI's style sheet has a dark half that waits for this class.
const followColours = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followColours);
followColours();

// Every refusal has the one shape that `default` shows, and 304 has none: of these only the words are news.
const briefAnswers = ({ React }) => ({
  wrapComponents: {
    response: (Original) => (props) => {
      const { code, response, getComponent } = props;
      if (!/^(304|[45]\d\d)$/.test(code)) return React.createElement(Original, props);
      const Markdown = getComponent("Markdown", true);
      return React.createElement(
        "tr",
        { className: "response is-brief", "data-code": code },
        React.createElement("td", { className: "response-col_status" }, code),
        React.createElement(
          "td",
          { className: "response-col_description" },
          React.createElement(Markdown, { source: response.get("description") }),
        ),
      );
    },
  },
});

// Examples are drawn from the schemas, and a request's example is there to be sent: it has what is required and
// what the contract gives an example of, since invented values of the rest would only be refused. (What requests
// may say is closed; answers are not, and are shown whole.) A text drawn from its pattern is noise: "string" reads
// better, and a text with a format has an example of its own.
const sendable = (schema) => {
  const members = Object.entries(schema.properties);
  const wanted = members.filter(([name, { examples }]) => examples || schema.required?.includes(name));
  return { ...schema, properties: Object.fromEntries(wanted) };
};
const plainly = (key, value) => {
  if (key === "pattern" && typeof value === "string") return undefined;
  return value?.additionalProperties === false && value.properties ? sendable(value) : value;
};
const plainExamples = () => ({
  afterLoad() {
    const { getSampleSchema } = this.fn;
    this.fn.getSampleSchema = (schema, ...rest) =>
      getSampleSchema(schema && JSON.parse(JSON.stringify(schema), plainly), ...rest);
  },
});

window.ui = SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  plugins: [briefAnswers, plainExamples],
  // A token stays in this tab's memory: whoever opens the browser next must not find it.
  persistAuthorization: false,
  tryItOutEnabled: true,
  // Would ask a host outside.
  validatorUrl: null,
});
