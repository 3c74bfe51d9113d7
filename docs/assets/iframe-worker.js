// A page that was opened from a file may start no Worker, and the site's search is one. There a hidden frame takes its
// place: it runs the same script and passes messages on. Over http nothing is changed.
class FrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    document.body.appendChild(this.frame);
    const inside = this.frame.contentWindow;
    addEventListener("message", (event) => {
      if (event.source !== inside) return;
      const message = new MessageEvent("message", { data: event.data });
      this.dispatchEvent(message);
      if (this.onmessage) this.onmessage(message);
    });
    this.loaded = new Promise((done) => {
      inside.frameLoaded = done;
    });
    inside.document.open();
    inside.document.write(`<body><script>
      postMessage = (data) => parent.postMessage(data, "*");
      importScripts = (...urls) => Promise.all(urls.map((url) => new Promise((done) => {
        const script = document.createElement("script");
        script.src = url;
        script.async = false;
        script.onload = done;
        document.body.appendChild(script);
      })));
    <\/script><script src="${new URL(url, location.href)}" onload="frameLoaded()"><\/script>`);
    inside.document.close();
  }

  postMessage(data) {
    this.loaded.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
  }

  terminate() {
    this.frame.remove();
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;
