// Counts down until Microsoft waits no longer, and then shows the page again, which goes back
// there. Without JavaScript the page does so by itself.
const left = document.getElementById("time-left");
const { seconds, then } = left.dataset;
const end = performance.now() + Number(seconds) * 1000;
const show = () => {
  const rest = Math.max(0, Math.ceil((end - performance.now()) / 1000));
  const words = rest > 60 ? `${Math.ceil(rest / 60)} minutes` : `${rest} seconds`;
  if (left.textContent !== words) left.textContent = words;
  if (rest > 0) setTimeout(show, 500);
  else location.replace(then);
};
show();
// A page that comes back from the browser's memory is older than it thinks.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.replace(then);
});
