// Hands on the microphone's samples, mixed to one channel, some 85 ms at a time.
registerProcessor("samples", class extends AudioWorkletProcessor {
  constructor() { super(); this.held = new Float32Array(4096); this.count = 0; }
  process([channels]) {
    const first = channels[0];
    if (!first) return true;
    for (let i = 0; i < first.length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.held[this.count++] = sum / channels.length;
      if (this.count === this.held.length) { this.port.postMessage(this.held.slice()); this.count = 0; }
    }
    return true;
  }
});
