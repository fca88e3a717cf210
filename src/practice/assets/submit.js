// Sends the one form of the page on. Without JavaScript its button does the same.
document.getElementById("onward").submit();
