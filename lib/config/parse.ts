/** From zod's issues to one `ERR_RAT_CONFIG` that names the option, what it takes and, for a typo, the likely name. */
import type { z } from "zod";
import { RATError } from "../errors.js";
import { didYouMean, nearest } from "../nearest.js";

/**
 * Checks `value` against `schema` and fills in the schema's defaults.
 *
 * @param what - What is being checked, for messages: `the run configuration`, `RATTrainer.create`.
 * @throws RATError `ERR_RAT_CONFIG`; `details.option` is the path of the first option that is wrong.
 */
export function parseOptions<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RATError(
      "ERR_RAT_CONFIG",
      `Expected an object for ${what} but received ${describeValue(value)}`,
    );
  }
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const issues = result.error.issues;
  const messages = issues.map((issue) => describeIssue(issue, schema, value, what));
  const [first] = issues;
  throw new RATError("ERR_RAT_CONFIG", messages.join("; "), {
    details: { option: first ? optionName(first) : "" },
  });
}

function optionName(issue: z.core.$ZodIssue): string {
  const key = issue.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  return [...issue.path, ...(key === undefined ? [] : [key])].map(String).join(".");
}

function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown, what: string): string {
  const name = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    return issue.keys
      .map((key) => unknownKey(key, name, knownKeys(schema, issue.path, value), what))
      .join("; ");
  }
  const received = describeValue(issue.input);
  const place = name === "" ? what : name;
  if (issue.input === undefined) return `${place} is missing in ${what}: ${expectation(issue)}`;
  const known = issue.code === "invalid_value" ? issue.values.map(String) : [];
  const likely = typeof issue.input === "string" ? didYouMean(issue.input, known) : "";
  return `Expected ${expectation(issue)} for ${place} but received ${received}${likely}`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  int: "an integer",
  number: "a number",
  string: "a text",
  boolean: "true or false",
  array: "a list",
  object: "an object",
};

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_value":
      return `one of ${issue.values.map(String).join(", ")}`;
    case "invalid_type":
      return TYPE_NAMES[issue.expected] ?? `a value of type ${issue.expected}`;
    case "too_small":
      return `${sizeUnit(issue.origin)}${issue.inclusive ? "at least" : "more than"} ${issue.minimum}`;
    case "too_big":
      return `${sizeUnit(issue.origin)}${issue.inclusive ? "at most" : "less than"} ${issue.maximum}`;
    case "invalid_union": {
      if (issue.discriminator !== undefined) return unionTypes(issue);
      const branches = issue.errors.map((errors) => errors[0]).filter((error) => error !== undefined);
      // A value of the right type that breaks a bound says more than "a number or a list".
      const bound =
        branches.find(({ code }) => code !== "invalid_type" && code !== "invalid_value") ??
        branches.find(({ path }) => path.length > 0);
      if (bound)
        return bound.path.length === 0
          ? expectation(bound)
          : `${bound.path.map(String).join(".")}: ${expectation(bound)}`;
      return [...new Set(branches.map(expectation))].join(" or ");
    }
    case "invalid_format":
      return issue.message.replace(/^expected /, "");
    default:
      return issue.message;
  }
}

/** A union told apart by a field names the values of that field, not the fields of every member. */
function unionTypes(issue: z.core.$ZodIssueInvalidUnion): string {
  const options: unknown = Reflect.get(issue, "options");
  return Array.isArray(options)
    ? `one of ${options.map(String).join(", ")}`
    : `a known ${issue.discriminator}`;
}

function sizeUnit(origin: string): string {
  if (origin === "array") return "a list of ";
  return origin === "string" ? "a text of length " : "a number of ";
}

function describeValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 60));
  if (typeof value === "number" || typeof value === "boolean" || value == null) return String(value);
  return Array.isArray(value) ? `the list ${JSON.stringify(value).slice(0, 60)}` : `an object`;
}

function unknownKey(key: string, parent: string, known: readonly string[], what: string): string {
  const name = parent === "" ? key : `${parent}.${key}`;
  const likely = nearest(key, known);
  return `${what} has no option ${JSON.stringify(name)}${likely ? `; did you mean ${likely}?` : `; it takes ${known.join(", ")}`}`;
}

/** The keys that the object at `path` may have; for a member of a union, those of the member that `type` chose. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  let nodes: unknown[] = alternatives(schema, value);
  let current = value;
  for (const part of path) {
    current = typeof current === "object" && current !== null ? Reflect.get(current, part) : undefined;
    nodes = nodes.flatMap((node) => {
      const shape = shapeOf(node);
      return shape ? alternatives(Reflect.get(shape, part), current) : [];
    });
  }
  return [...new Set(nodes.flatMap((node) => Object.keys(shapeOf(node) ?? {})))];
}

/** The parts of a zod definition that lead to the keys of an object. */
interface Definition {
  readonly shape?: unknown;
  readonly innerType?: unknown;
  readonly options?: unknown;
  readonly values?: unknown;
}

function definition(schema: unknown): Definition {
  const def: unknown = typeof schema === "object" && schema !== null ? Reflect.get(schema, "def") : undefined;
  return typeof def === "object" && def !== null ? def : {};
}

function shapeOf(schema: unknown): object | undefined {
  const shape = definition(schema).shape;
  return typeof shape === "object" && shape !== null ? shape : undefined;
}

function alternatives(schema: unknown, value: unknown): unknown[] {
  const def = definition(schema);
  if (def.innerType !== undefined) return alternatives(def.innerType, value);
  if (!Array.isArray(def.options)) return [schema];
  const all = def.options.flatMap((option) => alternatives(option, value));
  const type: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "type") : undefined;
  const chosen = all.filter((option) => {
    const shape = shapeOf(option);
    const values = shape ? definition(Reflect.get(shape, "type")).values : undefined;
    return Array.isArray(values) && values.includes(type);
  });
  return chosen.length > 0 ? chosen : all;
}
