// FieldTable: the vectors of all fields of a row out of one table, one look-up for the whole batch.
//
//   thaw::FieldLayout layout;
//   layout.add(thaw::FieldKind::categorical, 6040);
//   layout.add(thaw::FieldKind::multi_valued, 18);
//   thaw::FieldTable<thaw::Spec> plan = thaw::field_table_spec(layout, 16);
//   auto x = table(table.bags(columns, rows));        // (rows, 2 * 16), fields one after another
//
// The same numbers as a FieldEmbedding for each field, joined. Not for fields of different widths.
#pragma once

#include "thaw/backend/threads.hpp"
#include "thaw/nn/field_embedding.hpp"

namespace thaw::inline v0 {

// Which rows of a shared table belong to which field.
struct FieldLayout {
  static constexpr int kMaxFields = 32;
  struct Part {
    FieldKind kind = FieldKind::categorical;
    Index first = 0;   // its first row in the table
    Index values = 1;  // its number of rows; 1 for a continuous field
  };
  Part parts[kMaxFields];
  int count = 0;
  Index rows = 0;

  void add(FieldKind kind, Index values) {
    require(count < kMaxFields, "FieldLayout: more than 32 fields");
    require(kind == FieldKind::continuous || values > 0, "FieldLayout: a field of ", values, " values");
    const Index own = kind == FieldKind::continuous ? 1 : values;
    parts[count++] = {kind, rows, own};
    rows += own;
  }
};

inline constexpr std::uint32_t kAllFields = ~std::uint32_t(0);

// The entries of a batch in a shared table, row by row and within a row field by field.
template <class Real>
struct FieldBags {
  Bags bags;
  const Real* factors = nullptr;  // (rows, fields): the numbers of continuous fields, 1 elsewhere; null: all are 1
  Index rows = 0;
  int fields = 0;
};

namespace op {

// gather for one id a bag, with the threads of the context; for other bags it is gather itself.
struct LookUp {
  static constexpr const char* name = "look_up";
  static constexpr bool gathers_rows = true;
  using Attr = Gather::Attr;
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int n) {
    return Gather::shape(attr, in, n);
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool record) {
    if (attr.bags.offsets != nullptr) return Gather::forward(attr, in, n, record);
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    check_ids(attr.bags, in[0].shape[0], name);
    const Index rows = attr.bags.count, width = in[0].shape[1];
    const int parts = out.size() < kSmall ? 1 : threads_of(context);
    in_parallel(parts, [&](int part) {
      const Index end = rows * (part + 1) / parts;
      for (Index r = rows * part / parts; r < end; ++r)
        copy_row(in[0].data, attr.bags.ids[r], width, out.data + r * width);
    });
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, scatter(g, attr.bags, in[0].shape[0]));
  }

 private:
  static constexpr Index kSmall = 1 << 16;  // numbers for which a second thread costs more than it brings

  template <class R>
  static void copy_row(const R* table, std::int32_t id, Index width, R* to) {
    constexpr Index kLanes = 16;  // a fixed number, which the compiler turns into vectors
    Index j = 0;
    if (id < 0) {
      for (; j < width; ++j) to[j] = 0;
      return;
    }
    const R* from = table + id * width;
    for (; j + kLanes <= width; j += kLanes) __builtin_memcpy(to + j, from + j, kLanes * sizeof(R));
    for (; j < width; ++j) to[j] = from[j];
  }
};

}  // namespace op

// The rows of a table that bags name, as gather, but fast where every bag is one id.
template <Value T>
T look_up(const T& table, const Bags& bags) {
  return apply<op::LookUp>({bags}, {table});
}

namespace detail {

// One field's ids in the numbering of the shared table: known ids move up, unknown ones stay below zero.
inline std::int32_t table_row(const FieldLayout::Part& part, std::int32_t id) {
  require(id < part.values, "FieldTable: id ", id, " in a field of ", part.values, " values");
  return id < 0 ? -1 : static_cast<std::int32_t>(part.first + id);
}

}  // namespace detail

template <Value T>
struct FieldTable {
  T table;  // (layout.rows, width): a category's or value's vector, or what a continuous field is multiplied by
  FieldLayout layout;

  // The entries of the fields in `mask` (bit f: field f); columns are numbered as the layout. The result lives in the
  // arena of the table's context. Unknown values are left out, so that a mean is over the known ones.
  template <class Number>
  auto bags(const FieldColumn<Number>* columns, Index rows, std::uint32_t mask = kAllFields) const {
    if constexpr (std::is_same_v<T, Spec>) {
      FieldBags<Number> out;
      out.rows = rows;
      out.fields = selected(mask);
      out.bags.count = rows * out.fields;
      return out;
    } else {
      return fill_bags(columns, rows, mask);
    }
  }

  // (rows, fields * width). A field without a known value has zeros.
  template <class Number>
  T operator()(const FieldBags<Number>& entries) const {
    const Index width = table.shape[1];
    T vectors = look_up(table, entries.bags);
    if constexpr (!std::is_same_v<T, Spec>) {
      if (entries.factors != nullptr)
        vectors = mul(vectors, Plain<T>::view(*table.context, entries.factors, {entries.bags.count, 1}));
    }
    return reshape(vectors, {entries.rows, entries.fields * width});
  }

  // The vectors of one field for other bags than a row's: (bags.count, width). Unknown values add nothing; a mean of
  // bags is over the known values. `bags` need not outlive the call.
  T field(int which, const Bags& bags) const {
    if constexpr (std::is_same_v<T, Spec>) {
      return gather(table, bags);
    } else {
      require(which >= 0 && which < layout.count, "FieldTable: field ", which, " of ", layout.count);
      Arena& arena = *table.context->arena;
      auto* ids = arena.template take<std::int32_t>(bags.count == 0 ? 0 : bags.end(bags.count - 1) - bags.begin(0));
      auto* offsets = arena.template take<std::int32_t>(bags.count + 1);
      offsets[0] = 0;
      for (Index s = 0; s < bags.count; ++s) {
        std::int32_t at = offsets[s];
        for (Index e = bags.begin(s); e < bags.end(s); ++e)
          if (bags.ids[e] >= 0) ids[at++] = detail::table_row(layout.parts[which], bags.ids[e]);
        offsets[s + 1] = at;
      }
      return gather(table, Bags{ids, offsets, bags.count, bags.mean});
    }
  }

  static void each(auto&& visit, auto&... m) {
    visit("table", m.table...);
    visit("layout", m.layout...);
  }

  // How many fields a mask selects.
  int selected(std::uint32_t mask) const {
    int count = 0;
    for (int f = 0; f < layout.count; ++f) count += static_cast<int>(mask >> f & 1u);
    return count;
  }

 private:
  template <class Number>
  auto fill_bags(const FieldColumn<Number>* columns, Index rows, std::uint32_t mask) const {
    using Real = typename T::Real;
    FieldBags<Real> out;
    out.rows = rows;
    out.fields = selected(mask);
    bool several = false, numbers = false;
    Index total = 0;
    for (int f = 0; f < layout.count; ++f) {
      if ((mask >> f & 1u) == 0) continue;
      const Bags& bags = columns[f].bags;
      const FieldKind kind = layout.parts[f].kind;
      several = several || kind == FieldKind::multi_valued;
      numbers = numbers || kind == FieldKind::continuous;
      require(kind == FieldKind::continuous ? columns[f].values != nullptr : bags.ids != nullptr && bags.count == rows,
              "FieldTable: field ", f, " is missing or has ", bags.count, " rows in a batch of ", rows);
      total += kind == FieldKind::multi_valued && rows > 0 ? bags.end(rows - 1) - bags.begin(0) : rows;
    }
    Arena& arena = *table.context->arena;
    auto* ids = arena.template take<std::int32_t>(total);
    auto* offsets = several ? arena.template take<std::int32_t>(rows * out.fields + 1) : nullptr;
    if (several)
      join(columns, rows, mask, ids, offsets);
    else
      interleave(columns, rows, mask, out.fields, ids);
    out.bags = {ids, offsets, rows * out.fields, several};
    if (numbers) {
      auto* factors = arena.template take<Real>(rows * out.fields);
      fill_factors(columns, rows, mask, out.fields, factors);
      out.factors = factors;
    }
    return out;
  }

  // Every field has one entry a row.
  template <class Number>
  void interleave(const FieldColumn<Number>* columns, Index rows, std::uint32_t mask, Index fields,
                  std::int32_t* ids) const {
    std::int32_t* to = ids;
    for (int f = 0; f < layout.count; ++f) {
      if ((mask >> f & 1u) == 0) continue;
      const auto& part = layout.parts[f];
      const bool number = part.kind == FieldKind::continuous;
      for (Index r = 0; r < rows; ++r)
        to[r * fields] =
            number ? static_cast<std::int32_t>(part.first) : detail::table_row(part, columns[f].bags.ids[r]);
      ++to;
    }
  }
  template <class Number>
  void join(const FieldColumn<Number>* columns, Index rows, std::uint32_t mask, std::int32_t* ids,
            std::int32_t* offsets) const {
    std::int32_t at = 0;
    *offsets++ = 0;
    for (Index r = 0; r < rows; ++r)
      for (int f = 0; f < layout.count; ++f) {
        if ((mask >> f & 1u) == 0) continue;
        const auto& part = layout.parts[f];
        const Bags& bags = columns[f].bags;
        if (part.kind == FieldKind::continuous) {
          ids[at++] = static_cast<std::int32_t>(part.first);
        } else {
          for (Index e = bags.begin(r); e < bags.end(r); ++e)
            if (bags.ids[e] >= 0) ids[at++] = detail::table_row(part, bags.ids[e]);
        }
        *offsets++ = at;
      }
  }
  template <class Number, class Real>
  void fill_factors(const FieldColumn<Number>* columns, Index rows, std::uint32_t mask, Index fields,
                    Real* factors) const {
    Real* to = factors;
    for (int f = 0; f < layout.count; ++f) {
      if ((mask >> f & 1u) == 0) continue;
      const bool number = layout.parts[f].kind == FieldKind::continuous;
      for (Index r = 0; r < rows; ++r) to[r * fields] = number ? static_cast<Real>(columns[f].values[r]) : Real(1);
      ++to;
    }
  }
};

// Normal start of the given deviation; stepped by touched rows.
inline FieldTable<Spec> field_table_spec(const FieldLayout& layout, Index width, double deviation = 0.01) {
  require(layout.count > 0, "field_table_spec: a layout without fields");
  Spec table{{layout.rows, width}, {Init::Kind::normal, deviation}};
  table.row_table = true;
  return {table, layout};
}

}  // namespace thaw::inline v0
