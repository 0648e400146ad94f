// The ways out that the service's sentences name for programs, in the words of a page: by the controls that it has, or not at all.
// JSON, which a test reads: what a sentence says, as a regular expression; and what stands there instead, by page, or on all the others.
export const WAYS = [
  { "says": "ask with salvage=true", "listen": "press “Use what can be read of it”, below", "recordings": "let them be heard with “Use what can be read of damaged recordings”, above" },
  { "says": "; to (work with|take) [^;.]*, ask with salvage=true", "others": "" },
  { "says": "put 0 in their place with salvage=true", "listen": "put 0 in their place with “Use what can be read of it”, below", "recordings": "put 0 in their place with “Use what can be read of damaged recordings”, above" },
  { "says": ", or put 0 in their place with salvage=true", "others": "" },
  { "says": "raise it \\(gain=(-?[\\d.]+)\\)", "recordings": "raise it by $1 with “Louder by, dB”, above" },
  { "says": "raise it \\(gain=-?[\\d.]+\\), or do not trust", "others": "do not trust" },
  { "says": "Raise it \\(gain=(-?[\\d.]+)\\)", "recordings": "Raise it by $1 with “Louder by, dB”, above" },
  { "says": "\\. Raise it \\(gain=-?[\\d.]+\\)", "others": "" },
  { "says": "or ask with a gain", "recordings": "or let them be heard with “Louder by, dB”, above" },
  { "says": "the microphone, the channels (\\([^)]*\\)) or ask with a gain", "others": "the microphone and the channels $1" },
  { "says": "Ask for those \\(/v1/tags\\), or for another tagger", "others": "Choose another tagger, above" },
  { "says": "go on with /v1/jobs/\\d+/next, or load", "others": "load" }
];

const shown = () => document.querySelector("nav a[aria-current]")?.dataset.page;

export const onPage = (text, page = shown()) => WAYS.reduce((told, way) => (way[page] ?? way.others) === undefined ? told : told.replace(new RegExp(way.says, "g"), way[page] ?? way.others), text);
