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
    // What is seen and what is heard is one text (WCAG 2.5.3).
    button.textContent = "Copy this " + text.dataset.copy;
    // Said aloud when it changes (WCAG 4.1.3); a button's own text is not.
    const status = document.createElement("span");
    status.className = "hint";
    status.setAttribute("role", "status");
    button.addEventListener("click", async () => {
      status.textContent = "";
      try {
        await navigator.clipboard.writeText(text.textContent);
        status.textContent = "Copied.";
      } catch {
        status.textContent = "The browser does not let it be copied; select the text and copy it.";
      }
    });
    text.after(" ", button, " ", status);
  }
})();
