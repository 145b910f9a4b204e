"""A queue of prompts. A node {"class_type": "Wait", "inputs": {"seconds": n}} takes that long; all others take none."""

import asyncio
import logging
import time
import uuid


class PromptQueue:
    def __init__(self, tell):
        self._tell = tell
        self._pending = []
        self._arrived = asyncio.Condition()
        self._interrupted = asyncio.Event()
        self.running = []
        self.history = {}

    @property
    def pending(self):
        return list(self._pending)

    def get_tasks_remaining(self):
        return len(self.running) + len(self._pending)

    async def put(self, prompt):
        prompt_id = str(uuid.uuid4())
        async with self._arrived:
            number = len(self.history) + self.get_tasks_remaining()
            self._pending.append([number, prompt_id, prompt, {}, list(prompt)])
            self._arrived.notify()
        logging.info("got prompt")
        await self.tell_status()
        return prompt_id, number

    async def clear(self):
        self._pending.clear()
        await self.tell_status()

    def interrupt(self):
        self._interrupted.set()

    async def tell_status(self):
        await self._tell("status", {"status": {"exec_info": {"queue_remaining": self.get_tasks_remaining()}}})

    async def work(self):
        while True:
            async with self._arrived:
                await self._arrived.wait_for(lambda: self._pending)
                item = self._pending.pop(0)
            self.running = [item]
            self._interrupted.clear()
            began = time.perf_counter()
            done = await self._execute(item)
            self.running = []
            logging.info("Prompt executed in %.2f seconds" if done else "Interrupted after %.2f seconds", time.perf_counter() - began)
            status = {"status_str": "success" if done else "error", "completed": done, "messages": []}
            outputs = {node: {"images": []} for node in item[4]} if done else {}
            self.history[item[1]] = {"prompt": item, "outputs": outputs, "status": status}
            await self.tell_status()

    async def _execute(self, item):
        for node, content in item[2].items():
            await self._tell("executing", {"node": node, "prompt_id": item[1]})
            seconds = content["inputs"]["seconds"] if content.get("class_type") == "Wait" else 0
            try:
                await asyncio.wait_for(self._interrupted.wait(), seconds)
            except asyncio.TimeoutError:
                continue
            await self._tell("execution_interrupted", {"prompt_id": item[1], "node_id": node})
            return False
        await self._tell("executing", {"node": None, "prompt_id": item[1]})
        return True
