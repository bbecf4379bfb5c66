// The process of a job, put together: the same store, an engine of its own, and the server for what only it knows.
import { armFaults } from '#base';
import { endWithParent, mapFile } from '#engine/onnx';
import { openEngine } from '#engine/open';
import { allHandlers, allowedTeachers, ModelHub, ResultCheck, serveJobs, type WorkerSettings } from '#jobs';
import { teacherConnector } from '#server';
import { LocalStore } from '#store';
import { teacherSecurity } from './teacher-security.ts';

endWithParent();
armFaults(process.env['ATHANOR_TEST_FAULTS'] ?? '');

const settings = JSON.parse(process.argv[2] ?? '{}') as WorkerSettings;

serveJobs(settings, async ({ notes, uses }) => {
  const { root, device, threads, checkResults, teacherServers } = settings;
  const store = await LocalStore.open(root, { map: mapFile });
  const engine = await openEngine({ device, threads });
  const hub = new ModelHub({
    store,
    engine,
    ledger: notes,
    stableModel: (name) => notes.stableModel(name),
    onJobUse: uses,
    ...(checkResults ? { check: new ResultCheck(engine) } : {}),
  });
  const connectTeacher = allowedTeachers(teacherConnector({ security: teacherSecurity(process.env) }), teacherServers);
  return {
    handlers: (memoryLimitBytes) => allHandlers(hub, engine, notes, { connectTeacher, memoryLimitBytes }),
    tidy: () => hub.dispose(),
  };
});
