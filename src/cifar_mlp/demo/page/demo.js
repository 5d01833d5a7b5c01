// The server turns a file into an image of the network's size, and every further question is about that one.
const $ = (id) => document.getElementById(id);
const percent = (share) => (share > 0.9995 ? "100\u00a0%" : `${(100 * share).toFixed(1)}\u00a0%`);

let about; // what the server says of the network
let image = null; // data URL of the image at the network's size
let truth = null; // its class, of a test image

class Refused extends Error {}

async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, body === undefined ? {} : { method: "POST", body });
  } catch {
    throw new Refused("The server does not answer: is cifar-mlp demo still running?");
  }
  const found = await response.json().catch(() => ({ error: "The server failed; its terminal says why." }));
  if (!response.ok) throw new Refused(found.error);
  return found;
}

// Says in one sentence what went wrong, where it was asked for.
async function attempt(work, where = "problem") {
  try {
    await work();
    $(where).textContent = "";
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    $(where).textContent = error.message;
  }
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function tile(picture, caption, isSame) {
  const text = element("figcaption", { textContent: caption, className: isSame ? "same" : "" });
  return element("figure", {}, element("img", { src: picture, alt: "" }), text);
}

// Giving an image

function giveFile(file) {
  const shown = URL.createObjectURL(file);
  attempt(async () => give((await ask("image", file)).image, shown, null));
}

function take([file], otherwise) {
  if (file) giveFile(file);
  else $("problem").textContent = otherwise;
}

function give(resized, original, label) {
  image = resized;
  truth = label;
  $("given").hidden = original === null;
  if (original !== null) $("original").src = original;
  $("resized").src = resized;
  for (const name of ["seen", "answer", "units"]) document.querySelector(`.${name}`).hidden = false;
  document.querySelector(".similar").hidden = about.missing !== "";
  for (const button of $("picks").children) button.setAttribute("aria-pressed", button.dataset.image === resized);
  refresh();
}

async function offer() {
  const picks = await ask("picks");
  $("test").hidden = picks.length === 0;
  $("picks").replaceChildren(...picks.map((pick) => {
    const picture = element("img", { src: pick.image, alt: "" });
    const button = element("button", { type: "button" }, picture, pick.class);
    button.dataset.image = pick.image;
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => give(pick.image, null, pick.class);
    return button;
  }));
}

// Asking

const network = () => Number($("network").value);
const components = () => about.components[network()];

// One question at a time; where the image or the slider has changed meanwhile, the last state is asked next.
function latest(path, show) {
  let isOld = false;
  let running = null;
  const work = async () => {
    while (isOld) {
      isOld = false;
      const asked = new URLSearchParams({ network: network() });
      if ($("components").value < components()) asked.set("components", $("components").value);
      show(await ask(`${path}?${asked}`, await (await fetch(image)).blob()));
    }
  };
  return () => {
    isOld = true;
    running ??= work().finally(() => { running = null; });
    return running;
  };
}

const look = latest("look", (found) => {
  verdict(found);
  bars(found);
  units(found);
  if (found.curve) rebuilt(found);
});
const similar = latest("similar", (found) => {
  for (const space of ["features", "hidden"]) {
    $(space).replaceChildren(...found[space].map((one) => tile(one.image, one.class, one.class === found.answer)));
  }
  for (const part of document.querySelectorAll(".similar .hidden")) part.hidden = found.hidden.length === 0;
});

function refresh() {
  attempt(look);
  if (about.missing === "") attempt(similar, "late");
}

// Showing

function verdict(found) {
  const answer = about.classes[found.answer];
  const right = truth === null ? "" : truth === answer ? "That is right." : `Its true class is ${truth}.`;
  $("verdict").replaceChildren(`${answer}, ${percent(found.probabilities[found.answer])}`,
    element("small", { textContent: right }));
}

function units(found) {
  $("measure").textContent = found.measure;
  $("filters").replaceChildren(...found.units.map((unit) => tile(unit.image, `${unit.name}\n${unit.contribution}`, false)));
}

function bars(found) {
  const order = about.classes.map((_, label) => label);
  if (order.length > 12) order.sort((a, b) => found.probabilities[b] - found.probabilities[a]).length = 10;
  $("bars").replaceChildren(...order.map((label) => {
    const share = found.probabilities[label];
    const fill = element("span", { className: "fill" });
    fill.style.width = `${100 * share}%`;
    const track = element("span", { className: "track" }, fill);
    if (found.kept < components()) {
      const tick = element("span", { className: "tick" });
      tick.style.left = `calc(${100 * found.whole[label]}% - 1px)`;
      track.append(tick);
    }
    const value = element("span", { className: "value", textContent: percent(share) });
    const name = element("span", { className: "name", textContent: about.classes[label] });
    return element("li", { className: label === found.answer ? "top" : "" }, name, track, value);
  }));
  $("ticks").textContent = found.bars;
}

function rebuilt(found) {
  const { counts, probabilities } = found.curve;
  $("rebuilt").src = found.reconstruction;
  $("share").textContent = `from ${found.kept} components: ${percent(found.share)} of its variance`;
  const at = (count) => (200 * count) / components();
  $("line").setAttribute("points", counts.map((count, i) => `${at(count)},${49 - 47 * probabilities[i]}`).join(" "));
  for (const end of ["x1", "x2"]) $("now").setAttribute(end, at(found.kept));
  $("settled").textContent = found.settled;
}

// The network and its components

function choose() {
  const most = components();
  for (const part of document.querySelectorAll(".pca")) part.hidden = most === null;
  $("plain").hidden = most !== null;
  $("by").textContent = most === null ? "By their pixels" : "By their components";
  if (most !== null) {
    $("components").max = most;
    $("components").value = most;
    $("count").textContent = `${most} of ${most}`;
  }
}

function slide() {
  $("count").textContent = `${$("components").value} of ${components()}`;
  refresh();
}

// Drawing

function draw() {
  const canvas = $("canvas");
  const pen = canvas.getContext("2d");
  const isGrey = about.image_shape[0] === 1;
  const paper = isGrey ? "#000000" : "#ffffff"; // digits are white on black
  const cover = (colour) => Object.assign(pen, { fillStyle: colour }).fillRect(0, 0, canvas.width, canvas.height);
  const finished = () => canvas.toBlob((blob) => giveFile(blob));
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * 256, ((event.clientY - box.top) / box.height) * 256];
  };
  if (isGrey) $("colour").value = "#ffffff";
  Object.assign(pen, { lineCap: "round", lineJoin: "round" });
  cover(paper);
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    Object.assign(pen, { strokeStyle: $("colour").value, lineWidth: $("width").value });
    pen.beginPath();
    pen.moveTo(...place(event));
    canvas.onpointermove(event);
  };
  canvas.onpointermove = (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    pen.lineTo(...place(event));
    pen.stroke();
  };
  canvas.onpointerup = finished;
  $("fill").onclick = () => { cover($("colour").value); finished(); };
  $("clear").onclick = () => cover(paper);
}

async function begin() {
  about = await ask("about");
  const [channels, height, width] = about.image_shape;
  document.title = $("name").textContent = `Try a network: ${about.name}`;
  $("about").textContent = about.summary;
  $("size").textContent = `as ${width} × ${height} pixels${channels === 1 ? ", grey" : ""}`;
  $("network").replaceChildren(...about.components.map((_, i) => element("option", { value: i, textContent: i + 1 })));
  $("which").hidden = about.components.length === 1;
  $("missing").hidden = about.missing === "";
  $("missing").textContent = `There are no test images to pick, and no training images to compare with ` +
    `(${about.missing}): cifar-mlp demo --data.root DIR names them.`;
  choose();
  draw();
  await offer();
  $("picks").firstChild?.click();
}

$("file").onchange = () => { if ($("file").files.length) giveFile($("file").files[0]); $("file").value = ""; };
$("others").onclick = () => attempt(offer);
$("original").onerror = () => { $("given").hidden = true; }; // a format that the browser does not show
$("components").oninput = slide;
$("network").onchange = () => { choose(); if (image) refresh(); };
document.ondragover = (event) => { event.preventDefault(); document.body.classList.add("dragging"); };
document.ondragleave = () => document.body.classList.remove("dragging");
document.ondrop = (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(event.dataTransfer.files, "That was no file: save the image first, or copy and paste it.");
};
document.onpaste = (event) => take(event.clipboardData.files, "There is no image in the clipboard.");
attempt(begin);
