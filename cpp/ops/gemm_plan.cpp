// What a product copies, and how it is cut into blocks and tasks: by its shape and the caches.
#include <algorithm>

#include "core/buffer.h"
#include "core/caches.h"
#include "dispatch/dispatch.h"
#include "ops/gemm.h"

namespace nnfast {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Parts of equal size but for the last, their size a multiple of unit.
int64_t even_part(int64_t whole, int64_t largest, int64_t unit) {
  const int64_t parts = std::max<int64_t>(1, ceil_div(whole, largest));
  return std::max(unit, round_up(ceil_div(whole, parts), unit));
}

// Nanoseconds on one thread of a 3.7 GHz Zen 4 core: for a product and sum; for an element of a or b, to copy it and
// to read it again; for one of c, to write and read it once more. All but the product, and those below for wide panels,
// were measured on a 4.1 GHz Zen 5, whose products take half as long, and stand here in the same proportion.
constexpr double kProduct = 1 / 60.0;
constexpr double kCopy = 0.14, kCopyTransposed = 0.2, kCopyOnTheWay = 0.06, kRead = 0.024, kPass = 0.5;
// With panels of more than a line; kReadWide: of an a that all tasks share, for each of them. A large b comes from
// memory meanwhile where a task copies it on the way.
constexpr double kCopyWide = 0.3, kReadWide = 0.14, kPassWide = 0.2, kTransposeOnTheWay = 0.1;
constexpr double kStream = 0.1;  // to read an element of a large operand once
constexpr double kCall = 50;

// Elements: of a block of a, about half of a level-2 cache; of b, up to which tasks do without a copy for all of them.
// Wide: with panels of b of more than one cache line (AVX-512, a level-2 cache of 1 MB; room_factor() for larger ones).
// A narrow panel lies on as many lines, and pages, as its b has rows, and uses a part of each: its copy is worth more.
constexpr int64_t kBlockOfA = 136 << 10, kBlockOfANarrow = 68 << 10;
constexpr int64_t kCached = 480 << 10, kCachedNarrow = 16 << 10;
// Row panels of a block, more than which are worth the copy of each wide panel of such a b on the way, and the least k.
// In place its rows fall on the same lines of a level-1 cache where they are a power of two apart, and where they begin
// off a line each vector lies on two. On a core that makes two vectors of products a cycle (Emerald Rapids) 128x512x784
// takes seven tenths of the time so, 512x256x128 and 256³ nine.
constexpr int64_t kOwnPanels = 3, kOwnPanelsFar = 1, kOwnDepth = 96;
constexpr int64_t kFarB = 192 << 10;        // elements: of b, which has no room in a level-2 cache of 1 MB
constexpr int64_t kNearB = 32 << 10;        // elements: of b, read again for each few rows of a
constexpr int64_t kNearC = 16 << 10;        // elements: of c, which is still in a cache,
constexpr int64_t kNearCRoomy = 256 << 10;  // and in one of 2 MB
constexpr int64_t kLargeOfB = 3 << 19;      // elements: of b, which comes from memory
constexpr int64_t kSharedC = 1 << 20;       // and in the last of them
// Ways of a level-1 cache, with room for lines that collide, up to as many. What has been measured on such a machine
// (Emerald Rapids) is done there alone: lines of more rows that collide are copied, 1024x1024x32 takes an eighth less
// time.
constexpr int64_t kManyWays = 12;
constexpr int64_t kRowsFirstDepth = 32;                 // there must be time to ask for the next rows
constexpr int64_t kRowsFirstSize = 1 << 19;             // elements: of a and c, with wide panels: they come from memory
constexpr int64_t kByKDepth = 128, kByKColumns = 768;   // of a block for which a is worth copying k by k
constexpr int64_t kLongColumn = 400;                    // elements
constexpr int64_t kLongColumnLow = 96;                  // where a row panel takes less than half of a line of a column
constexpr int64_t kGroup = 4, kGroupWide = 2;           // panels of a large b that a task copies together,
constexpr int64_t kHugeB = 8 << 20;                     // elements: of b, of which that are kGroup again
constexpr int64_t kGroupedRows = 160;                   // the most of a for which wide panels are
constexpr int64_t kOwnChains = 2;                       // of a panel of b that a task copies for itself: 96 KB
constexpr int64_t kTries = 64;                          // numbers of row blocks, from the fewest onwards
constexpr int64_t kThinSide = 64, kThinSize = 8 << 10;  // elements: the least that a thin product is worth
constexpr double kMostOfVectors = 0.75;                 // filled by the columns of a product worth turning
constexpr int64_t kTurnedDepth = 16;                    // its least k
constexpr int64_t kThinRows = 16;                       // with few columns, of which a tile would fill a part only

// Of gradients that an optimizer uses as soon as they are made: of fewer elements, parameters and slots wait for their
// update in a level-3 cache of 32 MB. Blocks of this height and width were the fastest of those tried on Zen 4.
constexpr int64_t kUpdateSize = 5 << 18, kUpdateDepth = 512, kUpdateRows = 130, kUpdateColumns = 1024;

// Times as much as above that a task which copies b for itself may keep in its level-2 cache: with all of k in one slab
// 256x1024x1024 takes 6 % less time on an Emerald Rapids (2 MB). Where tasks share a copy of b, 2048³ takes 2 % more.
int64_t room_factor() { return std::clamp<int64_t>(caches().level2_bytes >> 20, 1, 2); }

// Tasks worth making of so many nanoseconds.
int64_t tasks_for(double cost) { return cost < 8e3 ? 1 : cost < 1e5 ? 4 : cost < 2e7 ? 8 : 16; }

}  // namespace

Gemm::Gemm(const GemmSpec& spec) : spec_(spec), kernels_(&kernels()) {
  const int64_t m = spec.m, n = spec.n, k = spec.k;
  check(m >= 0 && n >= 0 && k >= 0, "a matrix product has no negative sizes, received m=", m, ", n=", n, ", k=", k);
  if (spec_.lda == 0) spec_.lda = spec.transpose_a ? m : k;
  if (spec_.ldb == 0) spec_.ldb = spec.transpose_b ? k : n;
  if (spec_.ldc == 0) spec_.ldc = n;
  relu_in_registers_ = spec.activation == Activation::relu && !spec.keep_z;
  slope_in_registers_ = spec.derivative == Activation::relu && spec.activation == Activation::linear;
  epilogue_in_registers_ = (spec.activation == Activation::linear || relu_in_registers_) &&
                           (spec.derivative == Activation::linear || slope_in_registers_);

  const int64_t rows = kernels_->gemm->rows, columns = kernels_->gemm->columns;
  chain_ = even_part(k, kernels_->gemm->chain, 8);
  if (m == 0 || n == 0) {
    phases_ = {{0, 0}};
    return;
  }
  if (plan_thin() || plan_turned()) return;
  const int64_t row_panels = ceil_div(m, rows), column_panels = ceil_div(n, columns);
  narrow_ = columns <= kLine;
  // Rows of a that are a multiple of 4 KB apart fall on the same lines of a level-1 cache and drive each other out; its
  // columns, where it is transposed, on the same lines of a level-2 cache if they are long. Of a column a row panel
  // that is low uses a small part of one or two lines, and soon fills a level-1 cache with the rest of them.
  const bool many_ways = caches().level1_ways >= kManyWays;
  const bool rows_collide = (narrow_ || !many_ways) && row_panels * rows > 8 && k > 32 && spec_.lda % 1024 == 0;
  const bool lines_collide = spec_.lda % 512 == 0;
  const bool low = 2 * rows < kLine;
  const bool columns_wasteful =
      low ? k >= kLongColumnLow && column_panels >= (lines_collide ? 4 : 16)
          : k > (many_ways && spec_.lda % 1024 == 0 ? kManyWays : kLongColumn) && column_panels >= 8 && lines_collide;
  const bool b_collides = !narrow_ && many_ways && k > kManyWays && spec_.ldb % 1024 == 0;
  copy_a_ = column_panels > 1 && (spec.transpose_a ? columns_wasteful : rows_collide);
  const int64_t size_of_b = spec_.ldb * k;
  copy_b_ = spec.transpose_b || (narrow_ ? row_panels > 3 && size_of_b > kCachedNarrow
                                         : size_of_b > (row_panels > 1 ? kCached : kLargeOfB));

  updates_ = spec.gradient && k > 0 && k <= kUpdateDepth && m * n >= kUpdateSize && m > kUpdateRows;
  if (updates_) {
    copy_a_ = lines_collide;
    copy_b_ = true;
  }

  const double cost = kCall + kProduct * m * round_up(n, kernels_->lanes) * k + kPass * m * n;
  const int64_t wanted = tasks_for(cost);
  const int64_t chains = std::max<int64_t>(1, ceil_div(k, chain_));
  if (spec_.split_k && chains > 1 && wanted > 1 && row_panels * column_panels < 2 * wanted)
    splits_ = std::min(chains, wanted);
  if (updates_)
    choose_blocks_of_update();
  else
    choose_blocks(std::max<int64_t>(1, wanted / splits_));
  if (kernels_->gemm->rows_by_k && !updates_) copy_a_ |= copy_b_ && k >= kByKDepth && block_columns_ >= kByKColumns;
  slabs_ = std::max<int64_t>(1, ceil_div(k, depth_));
  share_b_ = shares_b(row_blocks_);

  rows_first_ = k <= chain_ && k >= kRowsFirstDepth && k * n <= kNearB && (narrow_ || m * (n + k) > kRowsFirstSize) &&
                n > columns && !spec.transpose_a && !copy_a_ && !b_collides && (!copy_b_ || share_b_) &&
                spec_.lda == k && spec_.ldc == n && block_columns_ >= n;

  // What no task shares: each copies its panels for itself, where they are not read in place.
  copy_b_ |= !narrow_ && !updates_ && !rows_first_ && (k >= kOwnDepth || b_collides) &&
             block_rows_ > (size_of_b > kFarB ? kOwnPanelsFar : kOwnPanels) * height_;
  far_c_ = m * n > (!narrow_ && !rows_first_ && room_factor() > 1 ? kNearCRoomy : kNearC);

  // Neighbouring tasks are mostly one thread's. With blocks side by side, it reads a part of a and all of b, and few
  // rows of c are shared: where c begins off a cache line, what blocks have in common of a line goes to and fro between
  // the threads (128³ takes a third more time).
  along_rows_ = !share_b_ && !updates_ && n <= m && n * k <= kFarB;

  const int64_t tasks = row_blocks_ * ceil_div(n, block_columns_);
  ld_a_ = (depth_ / kLine | 1) * kLine;  // an odd number of lines: the rows of a panel fall on different ones
  if (ld_a_ < depth_) ld_a_ += 2 * kLine;
  share_a_ = shares_a(row_blocks_) && tasks > 1;
  if (share_a_) {
    scratch_ = slabs_ * m * ld_a_;
    phases_.push_back({ceil_div(m, kCopiedRows), kCopyWide * m * k});
  }
  if (share_b_) {
    scratch_ = round_up(n, columns) * depth_;
    for (int64_t slab = 0; slab < slabs_; ++slab) {
      phases_.push_back(
          {ceil_div(column_panels, packed_panels(columns)), (spec.transpose_b ? kCopyTransposed : kCopy) * n * depth_});
      phases_.push_back({tasks, cost / slabs_});
    }
  } else {
    phases_.push_back({tasks * splits_, cost});
  }
  if (splits_ > 1) {
    scratch_ = splits_ * m * n;
    phases_.push_back({m, kPass * m * n * splits_});
  }
  if (copy_a_ && !share_a_) panel_ = round_up(round_up(block_rows_, height_) * ld_a_, kLine);
  const bool own = copy_b_ && !share_b_;
  if (own) group_ = panels_together();
  worker_scratch_ = panel_ + (own ? std::max<int64_t>(1, 2 * group_) * columns * depth_ : 0);
}

// A product of few rows or columns waits for its large operand to come from memory: that is what it costs.
bool Gemm::plan_thin() {
  const int64_t few = std::min(spec_.m, spec_.n), many = std::max(spec_.m, spec_.n);
  if (few > kernels_->thin->most_rows || spec_.k == 0) return false;
  const double cost = kCall + (kProduct * few + kStream) * many * spec_.k;
  const bool large = many >= kThinSide && many * spec_.k >= kThinSize;
  const bool few_columns = spec_.n == few && many >= kThinRows && tasks_for(cost) == 1;
  if (!large && !few_columns) return false;
  thin_ = true;
  part_ = round_up(ceil_div(many, tasks_for(cost)), 4 * kLine);
  phases_ = {{ceil_div(many, part_), cost}};
  return true;
}

// Where its columns would leave much of the last vector empty, a product of the transposed a is made transposed itself,
// with vectors along the rows of a in memory, of which a panel takes whole cache lines.
bool Gemm::plan_turned() {
  const int64_t m = spec_.m, n = spec_.n, rows = kernels_->gemm->rows, columns = kernels_->gemm->columns;
  if (!spec_.transpose_a || spec_.bias || m < columns || n >= columns || spec_.k < kTurnedDepth) return false;
  if (n > kMostOfVectors * round_up(n, kernels_->lanes) || columns % kLine != 0) return false;
  const double cost = kCall + kProduct * m * n * spec_.k + 2 * kPass * m * n;
  const int64_t wanted = tasks_for(cost);
  part_ = round_up(ceil_div(m, wanted), columns);
  if (spec_.split_k && ceil_div(m, part_) < wanted) return false;
  turned_ = true;
  height_ = static_cast<int>(ceil_div(n, ceil_div(n, rows)));
  phases_ = {{ceil_div(m, part_), cost}};
  panel_ = round_up(n * part_, kLine);
  copy_b_ = n > rows;  // then each panel of a is read more than once
  worker_scratch_ = panel_ + (copy_b_ ? columns * spec_.k : 0);
  return true;
}

// Whether one copy of b serves all tasks: where more than one needs it.
bool Gemm::shares_b(int64_t row_blocks) const {
  return copy_b_ && row_blocks > 1 && splits_ == 1 && !spec_.one_of_many;
}

// Whether one copy of a serves all tasks: where each needs all of it, and there are tiles enough to ask for its rows.
bool Gemm::shares_a(int64_t row_blocks) const {
  return copy_a_ && !narrow_ && spec_.m > 8 * kernels_->gemm->rows && !spec_.transpose_a && row_blocks == 1 &&
         splits_ == 1 && !spec_.one_of_many;
}

// How many panels a task that copies a large b for itself copies at a time while it multiplies with those before; 0:
// each when its turn comes. Several read longer stretches of memory, which wide panels need where nothing is made
// meanwhile, and where what is asked for ahead would not stay in a level-2 cache, in which rows a multiple of 4 KB
// apart share a few lines. With more rows one is copied in time, even from memory: 256x2048x2048 with one of many b
// takes nine tenths of the time on an Emerald Rapids.
int64_t Gemm::panels_together() const {
  const int64_t size_of_b = spec_.ldb * spec_.k;
  if (spec_.transpose_b || size_of_b <= kCached) return 0;
  if (narrow_) return kGroup;
  if (spec_.m > kGroupedRows) return room_factor() > 1 && size_of_b > kLargeOfB ? 1 : 0;
  if (spec_.m > kernels_->gemm->rows && spec_.ldb % 1024 != 0) return 0;
  return size_of_b > kHugeB ? kGroup : kGroupWide;
}

// Blocks of c of equal size, enough of them for the work, that cost the least memory traffic: the blocks of a are
// copied once for each block of columns, b is read once for each block of rows, c once more for each slab of k.
void Gemm::choose_blocks(int64_t wanted) {
  const int64_t m = spec_.m, n = spec_.n, k = spec_.k, columns = kernels_->gemm->columns, rows = kernels_->gemm->rows;
  const int64_t row_panels = ceil_div(m, rows), column_panels = ceil_div(n, columns);
  const double copy = narrow_ ? kCopy : kCopyWide, copy_b = spec_.transpose_b && narrow_ ? kCopyTransposed : copy;
  const double own_copy_b = !spec_.transpose_b             ? kCopyOnTheWay
                            : narrow_ || n * k < kLargeOfB ? copy_b
                                                           : kTransposeOnTheWay;
  const int64_t block_of_a = narrow_ ? kBlockOfANarrow : kBlockOfA, room = narrow_ ? 1 : room_factor();
  const int64_t together = panels_together();
  const int64_t own_chains = together > 1 ? 1 : together == 1 ? kOwnChains : room * kOwnChains;
  const int64_t fewest = std::min(row_panels, ceil_div(m * chain_, room * block_of_a));
  double best = 0;
  for (int64_t row_blocks = fewest; row_blocks <= std::min(row_panels, fewest + kTries); ++row_blocks) {
    const int64_t column_blocks = std::min(column_panels, ceil_div(wanted, row_blocks));
    const int64_t panels = ceil_div(row_panels, row_blocks);
    const int64_t height = ceil_div(m, panels * row_blocks);
    int64_t block_rows = panels * height;
    // Blocks of equal height, unless a few rows of each would make a panel of their own.
    const int64_t equal = ceil_div(m, ceil_div(m, block_rows)), rest = equal % height;
    if (!narrow_ && (rest == 0 || 2 * rest >= height)) block_rows = equal;
    const int64_t block_columns = ceil_div(column_panels, column_blocks) * columns;
    const int64_t tasks = ceil_div(m, block_rows) * ceil_div(n, block_columns);
    const bool share = shares_b(row_blocks), own = copy_b_ && !share;
    const int64_t most = splits_ > 1 ? 1 : own ? own_chains : std::max<int64_t>(1, ceil_div(k, chain_));
    const int64_t depth = std::clamp<int64_t>((own ? room : 1) * block_of_a / (block_rows * chain_), 1, most) * chain_;
    // Equal shares of the tasks for two threads and for eight; fewer tasks than wanted leave threads without work.
    const int64_t shares = std::max((round_up(tasks, 2) + round_up(tasks, std::min<int64_t>(wanted, 8))) / 2, wanted);
    // On a core that makes two vectors of products a cycle, 512x1024x1024 takes an eighth more time in slabs than with
    // one copy of b for all.
    const bool dear = own && room > 1 && depth < k;
    const double pass = narrow_ || m * n > kSharedC || dear ? kPass : kPassWide;
    const double copies_of_b = share ? copy_b : own ? row_blocks * own_copy_b : 0;
    const double copies_of_a =
        shares_a(row_blocks) ? copy + kReadWide * column_blocks : (copy_a_ ? copy : kRead) * column_blocks;
    const double time = kProduct * std::min(m, block_rows) * block_columns * k * shares + copies_of_a * m * k +
                        (copies_of_b + kRead * row_blocks) * n * k + pass * m * n * ceil_div(k, depth);
    if (best == 0 || time < best) {
      best = time;
      height_ = static_cast<int>(height);
      block_rows_ = block_rows;
      block_columns_ = block_columns;
      row_blocks_ = ceil_div(m, block_rows);
      depth_ = depth;
    }
  }
}

// Blocks that are k deep at once. All that a thread needs of b fits a level-2 cache.
void Gemm::choose_blocks_of_update() {
  const int64_t m = spec_.m, rows = kernels_->gemm->rows, row_panels = ceil_div(m, rows);
  depth_ = ceil_div(spec_.k, chain_) * chain_;
  block_columns_ = even_part(spec_.n, kUpdateColumns, kernels_->gemm->columns);
  int64_t least = 0;
  for (int64_t panels = ceil_div(kUpdateRows, rows); panels > ceil_div(kUpdateRows, 2 * rows); --panels)
    for (int64_t fewest = ceil_div(row_panels, panels), row_blocks = fewest; row_blocks < fewest + 8; ++row_blocks) {
      const int64_t height = ceil_div(m, row_blocks * panels), block_rows = panels * height;
      const int64_t tasks = ceil_div(m, block_rows) * ceil_div(spec_.n, block_columns_);
      // Rows of all the shares of two threads and of eight, and one more of each panel for what is not products.
      const int64_t made = panels * (height + 1) * (round_up(tasks, 2) + round_up(tasks, 8));
      if (least != 0 && made >= least) continue;
      least = made;
      height_ = static_cast<int>(height);
      block_rows_ = block_rows;
      row_blocks_ = ceil_div(m, block_rows);
    }
}

}  // namespace nnfast
