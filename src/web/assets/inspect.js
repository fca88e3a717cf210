// A file dropped on the form is its file; fixes and the report get a button that copies them.
(() => {
  "use strict";

  for (const form of document.querySelectorAll("form[data-drop]")) {
    const file = form.elements[form.dataset.drop];
    form.addEventListener("dragover", (event) => event.preventDefault());
    form.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      file.files = event.dataTransfer.files;
      form.submit();
    });
  }

  if (!navigator.clipboard) return;
  for (const text of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet small";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this " + text.dataset.copy);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    });
    text.after(" ", button);
  }
})();
