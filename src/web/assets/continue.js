// Sends the person on: submits the one form of the page, or follows its one link. Without
// JavaScript its button does the same. Where the page asks others in frames, it waits until
// they have loaded, five seconds at most.
const way = document.getElementById("continue");
let isGone = false;
const go = () => {
  if (isGone) return;
  isGone = true;
  if (way instanceof HTMLFormElement) way.submit();
  else way.click();
};
if (document.querySelector("iframe")) {
  addEventListener("load", go);
  setTimeout(go, 5000);
} else {
  go();
}
