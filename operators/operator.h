// The operator contract: what a step, source or sink of a job implements.
//
// One operator object is one parallel subtask of one node of the job. A task owns a chain of
// operators and calls them, always from one thread at a time; an operator never blocks and never
// sleeps. When it cannot go on it says so (Progress::kBlocked), and rings its Waker once it can.
// Start reading at operators/filter_operator.h, the simplest operator there is.
//
// Order of calls:
//   open -> [restore] -> { process | poll | on_watermark | on_tick | snapshot -> [commit] }* ->
//   on_end -> [snapshot -> [commit]]* -> close
// A source has no on_end(): its poll() says kEnd. Behind the end there are no ticks and nothing is
// emitted; a snapshot is still the operator's state, for a job's last checkpoint.
// close() is called once after open() succeeded, whatever came in between, also after a failure.
//
// Threads:    one at a time; the thread may change between calls.
// Ownership:  the task owns the operator; the context and all it refers to outlive it.
// Limits:     an operator emits at most kEmitBatchesMax batches a call to each of its outputs. One
//             is best, and the rest after kYield: room downstream is checked before each call.
//             Memory comes from the context's pools only. No allocation, virtual call, lock or log
//             line per record.
// Failure:    an Error fails the task and with it the job; a bad record is not an Error, but goes
//             to Output::reject().

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "memory/memory_pool.h"
#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/base/metrics.h"
#include "runtime/base/status.h"
#include "runtime/base/waker.h"
#include "runtime/data/batch.h"
#include "runtime/data/batch_memory.h"
#include "runtime/data/element.h"
#include "runtime/state/snapshot.h"

namespace millrace::operators {

// Batches that one call may emit to one output; more fail the task.
inline constexpr std::size_t kEmitBatchesMax = 4;

class JobResources;  // What the tasks of one job share in one TaskManager (job_resources.h).

enum class Progress : std::uint8_t {
    kDone,     // Finished with what was given; for a source: nothing to read just now.
    kYield,    // Not finished, only out of time: call again with the same arguments, soon.
    kBlocked,  // Cannot go on; call again with the same arguments after the Waker rang.
    kEnd,      // Sources only: no input will come any more.
};

// The gauge of a source that knows how many records it has still to read; tasks report it.
inline constexpr std::string_view kPendingRecordsMetric =
    "flink_taskmanager_job_task_operator_pendingRecords";

// Rings the task that owns the operator, from any thread (runtime/base/waker.h).
using millrace::Waker;

// What a record carries beside its key and value. A value of nothing (data() == nullptr) is null.
struct RecordHeader {
    std::string_view name;
    std::string_view value;
};

// A record that could not be used, for the job's dead letters. The views need to live for the call
// only.
struct Rejection {
    std::string_view code;     // Stable word: bad_json, wrong_type, null_label, too_long, ...
    std::string_view message;  // One sentence.
    std::string_view field;    // Empty when it is not about one.
    std::string_view payload;  // The original bytes; empty for an over-long record.
    std::string_view key;      // The record's key, when it has one.
    data::Position position;
    std::string_view split;                      // Human name: topic and partition, or path.
    std::span<const RecordHeader> headers = {};  // In order; none of an over-long record.
};

// Where an operator puts what it makes. All calls are per batch, reject() per bad record.
class Output {
  public:
    virtual ~Output() = default;
    virtual void emit(data::BatchPtr batch) = 0;
    // A second, named output of the step (evaluate's `audit`); dropped when nobody reads it.
    virtual void emit_to(std::uint32_t side, data::BatchPtr batch) = 0;
    // A source without rows for long says so by an idle one, so that it holds nobody up, and before
    // its next rows repeats its last one that was not idle.
    virtual void emit_watermark(data::Watermark watermark) = 0;
    // Counts the record as bad and sends it to the dead letters. An Error means that the job's
    // threshold is passed, or memory is short: return it.
    virtual Status reject(const Rejection& rejection) = 0;
};

// What an operator may use. References stay valid until close() has returned.
struct OperatorContext {
    std::string_view job;
    std::string_view step;
    std::uint32_t subtask = 0;
    std::uint32_t parallelism = 1;
    Attempt attempt{};
    const Clock& clock;
    Waker& waker;
    data::BatchMemory& batches;  // For what is emitted.
    memory::MemoryPool& slot;    // For state and scratch that lives longer.
    memory::OwnerId owner;       // The tag for allocations from `slot`.
    metrics::MetricGroup& metrics;
    JobResources& resources;
};

class Operator {
  public:
    virtual ~Operator() = default;

    // Takes what the operator needs for its life. `context` stays valid until close().
    virtual Status open(OperatorContext& context) = 0;

    // Writes the state that the operator has at this cut. kBlocked: something in flight must settle
    // first (a sink's unacknowledged records); the call is repeated after the Waker rang.
    virtual Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) {
        (void)checkpoint_id, (void)writer;
        return Progress::kDone;
    }
    // Takes over the state of an earlier run, before the first input.
    virtual Status restore(state::SnapshotReader& reader) {
        (void)reader;
        return {};
    }
    // The second phase of a two-phase commit: checkpoint `id` is decided, or will never be. Every
    // decided id comes at least once, ascending; after a restore the restored id comes again.
    virtual Status commit(std::uint64_t checkpoint_id) {
        (void)checkpoint_id;
        return {};
    }
    virtual Status abort(std::uint64_t checkpoint_id) {
        (void)checkpoint_id;
        return {};
    }
    // Called when the time that next_tick() named has come.
    virtual Status on_tick(Output& output) {
        (void)output;
        return {};
    }
    // When on_tick() is wanted next; TimePoint::max() = never. Asked after every call and ring.
    [[nodiscard]] virtual TimePoint next_tick() const { return TimePoint::max(); }

    // What hinders the operator from outside although it is not a failure, for people: a broker
    // that cannot be reached, with the cause. Empty when nothing does. Asked about once a second.
    [[nodiscard]] virtual std::string trouble() const { return {}; }

    // Gives everything back. Never fails and never waits for peers.
    virtual void close() noexcept {}
};

// An operator with inputs: a step or a sink.
class Step : public Operator {
  public:
    // Takes one batch of input `input` (0 where there is one input only). kYield or kBlocked: the
    // same batch is given again; the step remembers how far it came.
    virtual Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                                     Output& output) = 0;

    // Whether a batch of `input` may come now. Inputs that may not are left alone, and the others
    // go on; asked again after the Waker rang. A step that is fed by one operator inside its task
    // is not asked: it says kBlocked.
    // Not asked either while barriers are aligned: the rows that an input waits for may stand
    // behind the barrier of another one, which comes only after all rows in front of it. A step
    // that refuses inputs must hold what comes until then, about a channel's window of each, beyond
    // what it holds otherwise.
    [[nodiscard]] virtual bool takes(std::uint32_t input) const {
        (void)input;
        return true;
    }
    // Nothing more will come from `input`; on_end() follows when that is so for all. Not called for
    // a step that is fed by one operator inside its task.
    virtual Status on_input_end(std::uint32_t input) {
        (void)input;
        return {};
    }

    // The smallest watermark of all inputs has risen, or all inputs have become idle, or not all
    // are idle any more: then the time may be the one before. Passes it on unless overridden.
    virtual Status on_watermark(data::Watermark watermark, Output& output) {
        output.emit_watermark(watermark);
        return {};
    }
    // All inputs have ended: emit what is held back. kBlocked as in process(), until all is
    // settled.
    virtual Result<Progress> on_end(Output& output) {
        (void)output;
        return Progress::kDone;
    }
};

// A part of a source's input that is read in order by one subtask: a Kafka partition, a file.
struct Split {
    std::int32_t index = 0;          // Stands in every row's position; the same over restarts.
    std::string name;                // For people: "ad_clicks/3", "clicks.csv".
    std::string topic;               // Kafka only.
    std::int32_t partition = 0;      // Kafka only.
    std::int64_t start_ordinal = 0;  // First ordinal to read: Kafka offset or line number.
};

// An operator without inputs.
class Source : public Operator {
  public:
    // Adds splits to read. Called once between open() and the first poll(), perhaps with none, and
    // again when new ones are found. The job's control plane assigns; a source never claims any
    // itself.
    virtual Status add_splits(std::span<const Split> splits) = 0;
    // Reads what is there, at most about one millisecond of work or one batch. kDone = nothing
    // there now: the source rings the Waker, or names a next_tick(), when to poll again.
    virtual Result<Progress> poll(Output& output) = 0;

    // Whether a checkpoint's barriers begin here. False for one whose rows come from other tasks in
    // another way than channels: its barrier is to come with them.
    [[nodiscard]] virtual bool starts_barriers() const { return true; }
};

}  // namespace millrace::operators
