// Asks a security key and sends its answer as a field of the form. The words are the page's.
(() => {
  "use strict";

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // PublicKeyCredential.parse…FromJSON and toJSON are not in every browser yet.
  const readable = (options) => {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const list of [options.allowCredentials, options.excludeCredentials]) {
      for (const one of list || []) one.id = bytes(one.id);
    }
    return options;
  };
  const sendable = (credential) => {
    const response = credential.response;
    const answer = {
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: { clientDataJSON: text(response.clientDataJSON) },
    };
    if (response.attestationObject) {
      answer.response.attestationObject = text(response.attestationObject);
      answer.response.transports = response.getTransports ? response.getTransports() : [];
    } else {
      answer.response.authenticatorData = text(response.authenticatorData);
      answer.response.signature = text(response.signature);
      answer.response.userHandle = response.userHandle ? text(response.userHandle) : null;
    }
    return JSON.stringify(answer);
  };

  const reasons = {
    NotAllowedError: "cancelled",
    AbortError: "cancelled",
    InvalidStateError: "known",
    NotSupportedError: "unfit",
    ConstraintError: "unfit",
  };

  for (const form of document.querySelectorAll("form[data-webauthn]")) {
    const says = (what) => {
      for (const line of form.querySelectorAll("[data-says]")) {
        line.hidden = line.dataset.says !== what;
        if (!line.hidden && line.getAttribute("role") === "alert") line.focus();
      }
    };
    const button = form.querySelector("button");
    if (!window.PublicKeyCredential || !navigator.credentials) {
      if (!form.hidden) {
        says("unable");
        button.disabled = true;
      }
      continue;
    }
    form.hidden = false;

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      says("waiting");
      try {
        const csrf = form.elements.csrf.value;
        const asked = await fetch(form.dataset.ask, {
          method: "POST",
          body: new URLSearchParams({ csrf }),
        });
        if (asked.status === 429) {
          button.disabled = false;
          says("busy");
          return;
        }
        if (!asked.ok) {
          const refused = (await asked.json()).says;
          if (!refused) {
            // The attempt is over, or answered in another tab: its page says so. Not a reload,
            // because this document may be the result of a form.
            location.assign(form.dataset.ask.split("/").slice(0, 3).join("/"));
            return;
          }
          form.querySelector("[data-says=refused]").textContent = refused;
          button.disabled = false;
          says("refused");
          return;
        }
        const options = readable((await asked.json()).publicKey);
        const credential = await navigator.credentials[form.dataset.webauthn]({ publicKey: options });
        form.elements.answer.value = sendable(credential);
        form.submit();
      } catch (error) {
        button.disabled = false;
        says(reasons[error.name] || "failed");
      }
    });
  }
})();
