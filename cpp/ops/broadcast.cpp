#include "ops/broadcast.h"

#include <algorithm>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/blocks.h"

namespace nnfast {

namespace {

constexpr int64_t kTile = 2048;  // columns whose gradient is formed before it is summed: it stays in the L1 cache

}  // namespace

Shape broadcast_shapes(const std::string& name, const std::vector<Shape>& shapes) {
  int rank = 0;
  for (const Shape& shape : shapes) rank = std::max(rank, shape.rank());
  std::vector<int64_t> sizes(rank, 1);
  for (const Shape& shape : shapes)
    for (int i = 0; i < shape.rank(); ++i) {
      int64_t& size = sizes[rank - shape.rank() + i];
      if (size == 1) size = shape[i];
      if (shape[i] == size || shape[i] == 1) continue;
      std::ostringstream text;
      for (size_t k = 0; k < shapes.size(); ++k) text << (k ? " and " : "") << shapes[k];
      throw Error(name + ": expected shapes whose sizes, counted from the last axis, are equal or 1; received " +
                  text.str());
    }
  return Shape(sizes);
}

std::vector<Spec> BroadcastOp::infer(const std::vector<Spec>& inputs) {
  check(static_cast<int>(inputs.size()) == settings_.operands, settings_.name, ": expected ", settings_.operands,
        " operands, received ", inputs.size());
  std::vector<Shape> shapes;
  for (const Spec& input : inputs) {
    check(input.dtype == DType::f32, settings_.name, ": expected float32 operands; convert int32 ones with cast");
    shapes.push_back(input.shape);
  }
  const Shape shape = broadcast_shapes(settings_.name, shapes);
  size_ = shape.size();

  rank_ = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    int64_t strides[kMaxOperands] = {};
    bool merges = rank_ > 0;
    for (int k = 0; k < settings_.operands; ++k) {
      const int own = axis - (shape.rank() - shapes[k].rank());
      const bool steps = own >= 0 && shapes[k][own] != 1;
      strides[k] = steps ? shapes[k].size_between(own + 1, shapes[k].rank()) : 0;
      merges = merges && steps == (strides_[k][rank_ - 1] != 0);
    }
    if (!merges) {
      sizes_[rank_] = 1;
      ++rank_;
    }
    sizes_[rank_ - 1] *= shape[axis];
    for (int k = 0; k < settings_.operands; ++k) strides_[k][rank_ - 1] = strides[k];
  }
  if (rank_ == 0) {
    rank_ = 1;
    sizes_[0] = 1;
    for (int k = 0; k < settings_.operands; ++k) strides_[k][0] = 1;
  }
  for (int k = 0; k < settings_.operands; ++k) reductions_[k].size = shapes[k].size();
  return {{shape, DType::f32}};
}

BroadcastOp::Reduction BroadcastOp::reduction_of(int k) const {
  Reduction r = reductions_[k];
  r.wanted = true;
  const int64_t* strides = strides_[k];
  r.axis = static_cast<int>(std::find(strides, strides + rank_, 0) - strides);
  r.broadcast = r.axis < rank_;
  if (!r.broadcast || size_ == 0) return r;
  const int inner = rank_ - 1;
  for (int i = 0; i < r.axis; ++i) r.groups *= sizes_[i];
  int64_t below = 1;  // elements of the output for each step along the repeated axis
  for (int i = r.axis + 1; i < rank_; ++i) {
    below *= sizes_[i];
    if (strides[i] != 0) r.group_size *= sizes_[i];
  }
  if (strides[inner] != 0) {
    r.column_blocks = num_blocks(sizes_[inner]);
    below = below / sizes_[inner] * std::min(sizes_[inner], kBlock);
  }
  const int64_t length = sizes_[r.axis];
  // A chunk sums at least eight steps, or the copies would be as large as the output.
  r.chunk_length = std::min(length, std::max<int64_t>((kBlock + below - 1) / below, 8));
  r.chunks = (length + r.chunk_length - 1) / r.chunk_length;
  if (r.chunks == 1) r.groups_per_task = std::clamp<int64_t>(kBlock / (length * below), 1, r.groups);
  return r;
}

Requirements BroadcastOp::require(const std::vector<bool>& wanted) {
  Requirements needs;
  const double cost = static_cast<double>(size_) * settings_.cost * (16.0 / kernels().lanes);
  needs.forward = {{num_blocks(size_), cost}};
  needs.reads_inputs = settings_.reads_inputs;
  needs.reads_outputs = settings_.reads_outputs;
  for (int k = 0; k < settings_.operands; ++k)
    if (reductions_[k].size == size_) needs.overwrites_inputs |= 1u << k;
  backward_phases_.clear();
  bool plain = false;
  for (int k = 0; k < settings_.operands; ++k) {
    if (!wanted[k]) continue;
    Reduction& r = reductions_[k] = reduction_of(k);
    if (!r.broadcast) {
      r.wanted = (settings_.passes_gradient >> k & 1) == 0;
      if (r.wanted)
        plain = true;
      else
        needs.passes_gradient |= 1u << k;
      continue;
    }
    backward_phases_.push_back({BackwardPhase::reduce, k});
    needs.backward.push_back({size_ == 0 ? 1 : r.tasks(), 2 * cost});
    needs.worker_scratch = kTile;
    if (r.chunks == 1) continue;
    const int64_t copies = r.groups * r.group_size * r.chunks;
    r.scratch = needs.backward_scratch;
    needs.backward_scratch += round_up(copies, kLine);
    backward_phases_.push_back({BackwardPhase::combine, k});
    needs.backward.push_back({num_blocks(r.size), 0.2 * static_cast<double>(copies)});
  }
  if (plain) {
    backward_phases_.push_back({BackwardPhase::together, 0});
    needs.backward.push_back({num_blocks(size_), cost});
  }
  return needs;
}

template <class Body>
void BroadcastOp::walk(const Args& args, int64_t begin, int64_t end, int64_t first, int64_t last, int k,
                       const Body& body) const {
  const int inner = rank_ - 1;
  const int64_t width = sizes_[inner];
  int64_t index[kMaxRank];
  int64_t rest = begin;
  for (int i = inner; i >= 0; --i) {
    index[i] = rest % sizes_[i];
    rest /= sizes_[i];
  }
  int64_t offsets[kMaxOperands];
  for (int o = 0; o < settings_.operands; ++o) {
    offsets[o] = 0;
    for (int i = 0; i < inner; ++i) offsets[o] += index[i] * strides_[o][i];
  }
  for (int64_t at = begin - index[inner]; at < end; at += width) {
    const int64_t from = std::max(begin - at, first), to = std::min(std::min(width, end - at), last);
    if (from < to) {
      Row row;
      row.size = to - from;
      for (int o = 0; o < settings_.operands; ++o) {
        row.step[o] = strides_[o][inner] != 0;
        row.x[o] = args.inputs[o] == nullptr ? nullptr : args.inputs[o] + offsets[o] + from * row.step[o];
      }
      body(at + from, row, offsets[k] + from * (strides_[k][inner] != 0));
    }
    for (int i = inner - 1; i >= 0; --i) {
      for (int o = 0; o < settings_.operands; ++o) offsets[o] += strides_[o][i];
      if (++index[i] < sizes_[i]) break;
      for (int o = 0; o < settings_.operands; ++o) offsets[o] -= strides_[o][i] * sizes_[i];
      index[i] = 0;
    }
  }
}

void BroadcastOp::forward(const Args& args, int, int64_t task, Worker&) const {
  const auto [begin, size] = block(size_, task);
  walk(args, begin, begin + size, 0, sizes_[rank_ - 1], 0,
       [&](int64_t at, const Row& row, int64_t) { forward_row(row, args.outputs[0] + at); });
}

void BroadcastOp::backward(const Args& args, int phase, int64_t task, Worker& worker) const {
  const BackwardPhase& now = backward_phases_[phase];
  if (now.kind == BackwardPhase::reduce) return reduce(args, now.operand, task, worker);
  if (now.kind == BackwardPhase::combine) return combine(args, now.operand, task);
  const auto [begin, size] = block(size_, task);
  walk(args, begin, begin + size, 0, sizes_[rank_ - 1], 0, [&](int64_t at, const Row& row, int64_t) {
    const float* y = settings_.reads_outputs ? args.outputs[0] + at : nullptr;
    for (int k = 0; k < settings_.operands; ++k)
      if (reductions_[k].wanted && !reductions_[k].broadcast)
        backward_row(k, row, y, args.output_grads[0] + at, args.input_grads[k] + at);
  });
}

void BroadcastOp::reduce(const Args& args, int k, int64_t task, Worker& worker) const {
  const Reduction& r = reductions_[k];
  if (size_ == 0) {
    std::fill_n(args.input_grads[k], r.size, 0.0f);
    return;
  }
  const auto& elementwise = *kernels().elementwise;
  const int inner = rank_ - 1;
  const bool steps = strides_[k][inner] != 0;
  const int64_t columns = task % r.column_blocks;
  const int64_t chunk = task / r.column_blocks % r.chunks;
  const int64_t first_group = task / r.column_blocks / r.chunks * r.groups_per_task;
  const int64_t first = r.column_blocks == 1 ? 0 : columns * kBlock;
  const int64_t last = r.column_blocks == 1 ? sizes_[inner] : std::min(sizes_[inner], first + kBlock);

  int64_t below = 1;
  for (int i = r.axis + 1; i < rank_; ++i) below *= sizes_[i];
  const int64_t length = sizes_[r.axis];
  for (int64_t group = first_group; group < std::min(r.groups, first_group + r.groups_per_task); ++group) {
    // Element i of the operand is summed into sums[i].
    float* sums = r.chunks == 1 ? args.input_grads[k]
                                : args.scratch + r.scratch + (group * r.chunks + chunk - group) * r.group_size;
    const int64_t base = group * r.group_size;
    const int64_t width = steps ? sizes_[inner] : r.group_size;
    for (int64_t i = 0; i < r.group_size; i += width)
      std::fill(sums + base + i + (steps ? first : 0), sums + base + i + (steps ? last : width), 0.0f);
    const int64_t begin = (group * length + chunk * r.chunk_length) * below;
    const int64_t end = (group * length + std::min(length, (chunk + 1) * r.chunk_length)) * below;
    walk(args, begin, end, first, last, k, [&](int64_t at, const Row& row, int64_t offset) {
      for (int64_t i = 0; i < row.size; i += kTile) {
        Row tile = row;
        tile.size = std::min(kTile, row.size - i);
        for (int o = 0; o < settings_.operands; ++o)
          if (tile.x[o] != nullptr) tile.x[o] += i * tile.step[o];
        const float* y = settings_.reads_outputs ? args.outputs[0] + at + i : nullptr;
        backward_row(k, tile, y, args.output_grads[0] + at + i, worker.scratch);
        if (steps)
          elementwise.accumulate(tile.size, worker.scratch, sums + offset + i);
        else
          sums[offset] += elementwise.sum(tile.size, worker.scratch);
      }
    });
  }
}

void BroadcastOp::combine(const Args& args, int k, int64_t task) const {
  const Reduction& r = reductions_[k];
  const auto [begin, size] = block(r.size, task);
  float* dx = args.input_grads[k];
  for (int64_t i = begin; i < begin + size;) {
    const int64_t group = i / r.group_size, at = i % r.group_size;
    const int64_t n = std::min(r.group_size - at, begin + size - i);
    const float* copies = args.scratch + r.scratch + group * r.chunks * r.group_size + at;
    std::copy_n(copies, n, dx + i);
    for (int64_t chunk = 1; chunk < r.chunks; ++chunk)
      kernels().elementwise->accumulate(n, copies + chunk * r.group_size, dx + i);
    i += n;
  }
}

}  // namespace nnfast
