#include "ops/update.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "core/buffer.h"
#include "dispatch/dispatch.h"

namespace nnfast {
namespace {

// A task has up to kTask elements (some microseconds). Two threads and four have equal shares: what one helps another
// with it takes from that one's cache. But there are at most kMaxTasks, so that adding up the partial sums of all of
// them in each costs nothing.
constexpr int64_t kTask = 16384;
constexpr int64_t kShares = 4;
constexpr int64_t kMaxTasks = 256;
// Where several passes follow each other, they do so over this much, which stays in the L2 cache.
constexpr int64_t kBlock = 8192;

struct Rule {
  const char* name;
  const char* slots;
  const char* hyper;
};
#define NNFAST_RULE(name, rule, slots, hyper) {#name, slots, hyper},
constexpr Rule kRules[] = {NNFAST_OPTIMIZERS(NNFAST_RULE)};
#undef NNFAST_RULE

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> found;
  for (std::string word; stream >> word;) found.push_back(word);
  return found;
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

int index_of_rule(const std::string& name) {
  for (int i = 0; i < kNumOptimizers; ++i)
    if (name == kRules[i].name) return i;
  throw Error("no optimizer rule is named '" + name + "'; there are: " + join(update_rules()));
}

}  // namespace

std::vector<std::string> update_rules() {
  std::vector<std::string> names;
  for (const Rule& rule : kRules) names.push_back(rule.name);
  return names;
}

std::vector<std::string> update_hyperparameters(const std::string& rule) {
  return words(kRules[index_of_rule(rule)].hyper);
}

Update::Update(const UpdateSettings& settings, const std::vector<Segment>& segments)
    : settings_(settings), rule_(index_of_rule(settings.rule)) {
  for (const std::string& name : update_hyperparameters(settings.rule)) {
    auto found = settings.hyper.find(name);
    check(found != settings.hyper.end(), "the optimizer rule '", settings.rule, "' needs the hyperparameter '", name,
          "'");
    hyper_.push_back(found->second);
  }
  for (const std::string& slot : words(kRules[rule_].slots)) {
    const size_t equals = slot.find('=');
    if (equals == std::string::npos)
      slots_.push_back({slot, 0});
    else
      slots_.push_back({slot.substr(0, equals), static_cast<float>(settings.hyper.at(slot.substr(equals + 1)))});
  }
  num_rule_slots_ = static_cast<int>(slots_.size());
  check(num_rule_slots_ <= kMaxSlots, "a rule has at most ", kMaxSlots, " slots, '", settings.rule, "' has ",
        num_rule_slots_);

  const int clippings = (settings.clipvalue > 0) + (settings.clipnorm > 0) + (settings.global_clipnorm > 0);
  check(clippings <= 1, "only one of clipvalue, clipnorm and global_clipnorm can be set, received ", clippings);
  check(settings.gradient_accumulation_steps >= 1, "gradient_accumulation_steps must be positive, received ",
        settings.gradient_accumulation_steps);
  if (settings.use_ema) {
    average_ = static_cast<int>(slots_.size());
    slots_.push_back({"average", 0});
  }
  if (settings.gradient_accumulation_steps > 1) {
    accumulator_ = static_cast<int>(slots_.size());
    slots_.push_back({"gradient_accumulator", 0});
  }
  measure_norms_ = settings.clipnorm > 0 || settings.global_clipnorm > 0;
  clip_norm_ = std::max(settings.clipnorm, settings.global_clipnorm);
  cut(segments);
  plan();
}

void Update::cut(const std::vector<Segment>& segments) {
  int64_t total = 0;
  for (const Segment& segment : segments) total += segment.size;
  const int64_t tasks = total <= kTask ? 1 : std::min(round_up((total + kTask - 1) / kTask, kShares), kMaxTasks);
  const int64_t task_size = round_up((total + tasks - 1) / tasks, kLine);

  int64_t room = 0, end = 0;  // left in the task; of the segment before
  tasks_.clear();
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    check(segment.offset >= end && segment.size >= 0, "segments must follow each other without overlap");
    end = segment.offset + segment.size;
    const double decay = decay_of(segment);
    const int first = static_cast<int>(pieces_.size());
    for (int64_t begin = segment.offset; begin < end;) {
      if (room == 0) {
        tasks_.push_back(static_cast<int>(pieces_.size()));
        room = task_size;
      }
      const int64_t size = std::min(room, end - begin);
      Piece* last = tasks_.back() < static_cast<int>(pieces_.size()) ? &pieces_.back() : nullptr;
      const bool joins = last != nullptr && settings_.clipnorm <= 0 && last->end == begin &&
                         last->weight_decay == decay && last->learning_rate == segment.learning_rate;
      if (joins)
        last->end += size;
      else
        pieces_.push_back({begin, begin + size, decay, segment.learning_rate, 0, 0});
      begin += size;
      room -= size;
    }
    for (int i = first; i < static_cast<int>(pieces_.size()); ++i) {
      pieces_[i].first = first;
      pieces_[i].last = static_cast<int>(pieces_.size());
    }
  }
  if (settings_.global_clipnorm > 0)
    for (Piece& piece : pieces_) {
      piece.first = 0;
      piece.last = static_cast<int>(pieces_.size());
    }
  tasks_.push_back(static_cast<int>(pieces_.size()));
}

void Update::plan() {
  const int64_t tasks = static_cast<int64_t>(tasks_.size()) - 1;
  if (tasks == 0) return;
  int64_t elements = 0;
  for (const Piece& piece : pieces_) elements += piece.end - piece.begin;
  // Bytes that one element moves; measured on a Zen 4 core: 20 GB/s from memory, 70 from the L2 cache.
  const int gathering = 4 * (measure_norms_ + 3 * (accumulator_ >= 0));
  const int stepping = 4 * (3 + 2 * num_rule_slots_ + 3 * (average_ >= 0));
  const double footprint = 4.0 * static_cast<double>(elements) * (2 + static_cast<double>(slots_.size()));
  const double per_byte = footprint > 4e6 ? 0.05 : 0.015;
  if (measure_norms_ && tasks > 1) {
    phases_.push_back({tasks, static_cast<double>(elements * gathering) * per_byte});
    phases_.push_back({tasks, static_cast<double>(elements * stepping) * per_byte});
  } else {
    phases_.push_back({tasks, static_cast<double>(elements * (gathering + stepping)) * per_byte});
  }
}

void Update::run(int phase, int64_t task, const UpdateState& state) const {
  const bool due = (state.step + 1) % settings_.gradient_accumulation_steps == 0;
  const bool gathers = phase == 0 && measure_norms_;
  const bool steps = phase + 1 == static_cast<int>(phases_.size());
  double* squares = reinterpret_cast<double*>(state.scratch);
  const int begin = tasks_[task], end = tasks_[task + 1];

  if (!due) {
    if (phase > 0) return;
    for (int i = begin; i < end; ++i) {
      const Piece& piece = pieces_[i];
      kernels().update->accumulate(piece.end - piece.begin, state.gradients + piece.begin,
                                   state.slots[accumulator_] + piece.begin);
    }
    return;
  }
  if (gathers)
    for (int i = begin; i < end; ++i) {
      const Piece& piece = pieces_[i];
      if (accumulator_ >= 0) fold(piece, state);
      squares[i] = kernels().update->sum_of_squares(piece.end - piece.begin, state.gradients + piece.begin);
    }
  if (!steps) return;
  for (int i = begin; i < end; ++i) {
    const Piece& piece = pieces_[i];
    const float scale = measure_norms_ ? gradient_scale(piece, squares) : 1;
    const bool folds = accumulator_ >= 0 && !measure_norms_;
    if (!folds && average_ < 0) {
      step(piece, scale, state);
      continue;
    }
    for (Piece block = piece; block.begin < piece.end; block.begin = block.end) {
      block.end = std::min(block.begin + kBlock, piece.end);
      if (folds) fold(block, state);
      step(block, scale, state);
    }
  }
}

// The mean of the gradients since the last update, which then begin anew.
void Update::fold(const Piece& piece, const UpdateState& state) const {
  kernels().update->take_sum(piece.end - piece.begin, 1 / static_cast<float>(settings_.gradient_accumulation_steps),
                             state.gradients + piece.begin, state.slots[accumulator_] + piece.begin);
}

float Update::gradient_scale(const Piece& piece, const double* squares) const {
  double sum = 0;
  for (int i = piece.first; i < piece.last; ++i) sum += squares[i];
  const double norm = std::sqrt(sum);
  if (norm <= clip_norm_) return 1;
  // As in Keras: a global norm that is not finite makes the whole gradient NaN, rather than zero where it is finite.
  if (settings_.global_clipnorm > 0 && !std::isfinite(norm)) return std::numeric_limits<float>::quiet_NaN();
  return static_cast<float>(clip_norm_ / norm);
}

// What is the same for all elements of a piece.
UpdateArgs Update::args_of(double weight_decay, double learning_rate, const UpdateState& state) const {
  UpdateArgs args{};
  args.step = state.step / settings_.gradient_accumulation_steps + 1;
  args.learning_rate = state.learning_rate * learning_rate;
  args.weight_decay = weight_decay;
  args.gradient_scale = 1;
  args.clip_value =
      settings_.clipvalue > 0 ? static_cast<float>(settings_.clipvalue) : std::numeric_limits<float>::infinity();
  return args;
}

void Update::step(const Piece& piece, float gradient_scale, const UpdateState& state) const {
  float* slots[kMaxSlots];
  for (int i = 0; i < num_rule_slots_; ++i) slots[i] = state.slots[i] + piece.begin;

  UpdateArgs args = args_of(piece.weight_decay, piece.learning_rate, state);
  args.n = piece.end - piece.begin;
  args.parameters = state.parameters + piece.begin;
  args.gradients = state.gradients + piece.begin;
  args.slots = slots;
  args.gradient_scale = gradient_scale;
  apply(args);

  if (average_ < 0) return;
  float* average = state.slots[average_] + piece.begin;
  // The first average is the parameters themselves.
  const float rate = args.step == 1 ? 1 : static_cast<float>(1 - settings_.ema_momentum);
  kernels().update->move_average(args.n, rate, args.parameters, average);
  if (settings_.ema_overwrite_frequency > 0 && args.step % settings_.ema_overwrite_frequency == 0)
    std::copy_n(average, args.n, args.parameters);
}

Kernels::Gemm::Step Update::step_of(const Segment& segment, int64_t element, const UpdateState& state) const {
  const int64_t at = segment.offset + element;
  Kernels::Gemm::Step step{};
  step.rule = kernels().update->step[rule_];
  step.args = args_of(decay_of(segment), segment.learning_rate, state);
  step.args.parameters = state.parameters + at;
  step.args.hyper = hyper_.data();
  step.num_slots = num_rule_slots_;
  for (int i = 0; i < num_rule_slots_; ++i) step.slots[i] = state.slots[i] + at;
  return step;
}

void Update::apply(UpdateArgs args) const {
  args.hyper = hyper_.data();
  kernels().update->step[rule_](args);
}

}  // namespace nnfast
