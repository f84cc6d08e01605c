// A key presses the button that shows it; in the note, keys are letters.
"use strict";

const note = document.querySelector("input[name=note]");
const details = document.querySelector("details.note");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  if (event.target === note) {
    if (event.key === "Escape") note.blur();
    return;
  }
  const button = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button || button.disabled) return;
  event.preventDefault();
  if (button.parentElement === details && details.open) note.focus();
  else button.click();
});

// The click opens the note after it was heard; a note that stands there already takes no focus.
details?.querySelector("summary").addEventListener("click", () => {
  setTimeout(() => { if (details.open) note.focus(); });
});
