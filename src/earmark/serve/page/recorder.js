// The microphone: samples as they come, and a WAV of them.

export class Recorder {
  static async open(rate) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    const context = new AudioContext(rate ? { sampleRate: rate } : {});
    try {
      await context.audioWorklet.addModule(new URL("./worklet.js", import.meta.url));
      const made = new Recorder();
      const source = context.createMediaStreamSource(stream), node = new AudioWorkletNode(context, "samples", { numberOfOutputs: 0 });
      Object.assign(made, { stream, context, node, rate: context.sampleRate, parts: [], count: 0 });
      node.port.onmessage = ({ data }) => made.take(data);
      source.connect(node);
      return made;
    } catch (error) {
      stream.getTracks().forEach((track) => track.stop());
      context.close();
      throw error;
    }
  }

  take(samples) {
    if (this.onSamples) return this.onSamples(samples);
    this.parts.push(samples); this.count += samples.length;
    this.onLevel?.(this.count / this.rate);
  }

  cancel() {
    this.node.port.onmessage = null; // what is still on its way comes after the end
    this.stream.getTracks().forEach((track) => track.stop());
    if (this.context.state !== "closed") this.context.close();
  }

  async finish() {
    this.cancel();
    const body = new Int16Array(this.count);
    let at = 0;
    for (const part of this.parts) for (const sample of part) body[at++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32767)));
    return { blob: new Blob([header(this.rate, body.byteLength), body], { type: "audio/wav" }), seconds: this.count / this.rate };
  }
}

function header(rate, bytes) {
  const view = new DataView(new ArrayBuffer(44)), text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + bytes, true); text(8, "WAVEfmt "); view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); view.setUint16(22, 1, true); view.setUint32(24, rate, true); view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true); text(36, "data"); view.setUint32(40, bytes, true);
  return view.buffer;
}
