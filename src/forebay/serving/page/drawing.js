// A canvas to draw an image on, with a pointer or with the keyboard, for models of small grey images.

const SIDE = 256; // of the canvas in pixels, about; a whole number of them makes one pixel of the model's
const STEPS = 16; // keyboard moves from one side to the other
const LARGEST = 64; // a larger image is no drawing of a few strokes

export const canBeDrawn = (model) => model.channels === 1 && Math.max(model.height, model.width) <= LARGEST;

export class Drawing {
  /** `ask` is called when a stroke ends, `change` with every change, `tell` with what a screen reader should say. */
  constructor(canvas, cursor, { ask, change, tell }) {
    Object.assign(this, { canvas, cursor, ask, change, tell });
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.last = null;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#follow(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.#end());
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Fit the canvas to a model: its size, and light strokes on a dark ground or the other way, as it was trained on. */
  fit(model) {
    this.scale = Math.max(1, Math.round(SIDE / Math.max(model.height, model.width)));
    this.canvas.width = model.width * this.scale;
    this.canvas.height = model.height * this.scale;
    [this.ground, this.ink] = model.mean < 0.5 ? ["#000", "#fff"] : ["#fff", "#000"];
    this.clear();
  }

  clear() {
    this.context.fillStyle = this.ground;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.isEmpty = true;
    this.pen = false;
    this.at = { x: this.canvas.width / 2, y: this.canvas.height / 2 };
    this.#place();
    this.change();
  }

  /** The drawing in the model's size, rows of numbers from 0 to 255: each is the mean of its part of the canvas. */
  pixels() {
    const { scale, canvas } = this;
    const { data } = this.context.getImageData(0, 0, canvas.width, canvas.height);
    const rows = Array.from({ length: canvas.height / scale }, () => new Array(canvas.width / scale).fill(0));
    for (let y = 0; y < canvas.height; y++) {
      for (let x = 0; x < canvas.width; x++) {
        rows[Math.floor(y / scale)][Math.floor(x / scale)] += data[(y * canvas.width + x) * 4];
      }
    }
    return rows.map((row) => row.map((sum) => Math.round(sum / (scale * scale))));
  }

  #begin(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.last = this.#position(event);
    this.#stroke(this.last, this.last);
  }

  #follow(event) {
    if (this.last === null) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const next = this.#position(each);
      this.#stroke(this.last, next);
      this.last = next;
    }
  }

  #end() {
    if (this.last === null) return;
    this.last = null;
    this.ask();
  }

  #position(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * this.canvas.width,
      y: ((event.clientY - box.top) / box.height) * this.canvas.height,
    };
  }

  #stroke(from, to) {
    const { context } = this;
    context.strokeStyle = this.ink;
    context.lineWidth = Math.max(this.canvas.width, this.canvas.height) / 9;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y + 0.01); // a line without length is not drawn
    context.stroke();
    this.isEmpty = false;
    this.change();
  }

  #key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[event.key]) this.#move(...moves[event.key]);
    else if (event.key === " ") this.#togglePen();
    else if (event.key === "Enter") this.ask();
    else if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
      this.tell("Cleared.");
    } else return;
    event.preventDefault();
  }

  #move(right, down) {
    const { width, height } = this.canvas;
    const inside = (value, most) => Math.min(Math.max(value, 0), most);
    const next = { x: inside(this.at.x + (right * width) / STEPS, width), y: inside(this.at.y + (down * height) / STEPS, height) };
    if (this.pen) this.#stroke(this.at, next);
    this.at = next;
    this.#place();
    this.tell(this.#where());
  }

  #togglePen() {
    this.pen = !this.pen;
    if (this.pen) this.#stroke(this.at, this.at);
    this.cursor.classList.toggle("down", this.pen);
    this.tell(`Pen ${this.pen ? "down" : "up"}. ${this.#where()}`);
  }

  #where() {
    const { width, height } = this.canvas;
    return `${Math.round((this.at.x / width) * 100)} percent from the left, ${Math.round((this.at.y / height) * 100)} from the top.`;
  }

  #place() {
    this.cursor.style.left = `${(this.at.x / this.canvas.width) * 100}%`;
    this.cursor.style.top = `${(this.at.y / this.canvas.height) * 100}%`;
    this.cursor.classList.toggle("down", this.pen);
  }
}
