// Look-ups by id: gather rows of a table (one, or the sum or mean of several), pick one element of each row.
//
//   thaw::Bags genres{ids, offsets, films, /*mean*/ true};
//   auto rows = thaw::gather(table, genres);       // (films, width); an id below zero adds nothing
//
// The ids are not copied: they must live as long as the tape that records them.
#pragma once

#include "thaw/ops/elementwise.hpp"

namespace thaw::inline v0 {

template <Value T>
T gather(const T& table, const Bags& bags);
template <Value T>
T scatter(const T& rows, const Bags& bags, Index table_rows);
template <Value T>
T pick(const T& x, const std::int32_t* ids);
template <Value T>
T place(const T& x, const std::int32_t* ids, Index columns);

namespace op {

inline void check_ids(const Bags& bags, Index rows, const char* name) {
  if (bags.count == 0) return;
  for (Index e = bags.begin(0); e < bags.end(bags.count - 1); ++e)
    require(bags.ids[e] < rows, name, ": id ", bags.ids[e], " at position ", e, " is outside a table of ", rows,
            " rows");
}

// table (rows, width) -> (bags.count, width).
struct Gather {
  static constexpr const char* name = "gather";
  static constexpr bool gathers_rows = true;
  struct Attr {
    Bags bags;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(in[0].shape.rank == 2, "gather: the table has shape ", in[0].shape, ", expected (rows, width)");
    return {attr.bags.count, in[0].shape[1]};
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    check_ids(attr.bags, in[0].shape[0], name);
    A::Backend::gather(context, attr.bags, in[0].data, in[0].shape[1], out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, scatter(g, attr.bags, in[0].shape[0]));
  }
};

// rows (bags.count, width) -> a table (table_rows, width), the transpose of gather.
struct Scatter {
  static constexpr const char* name = "scatter";
  struct Attr {
    Bags bags;
    Index table_rows;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(in[0].shape.rank == 2 && in[0].shape[0] == attr.bags.count, "scatter: rows of shape ", in[0].shape, " for ",
            attr.bags.count, " bags");
    return {attr.table_rows, in[0].shape[1]};
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    check_ids(attr.bags, attr.table_rows, name);
    A::Backend::fill(context, out.size(), typename A::Real(0), out.data);
    A::Backend::scatter_add(context, attr.bags, in[0].data, out.shape[1], out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    d.give(0, gather(g, attr.bags));
  }
};

// x (rows, columns), one id a row -> (rows).
struct Pick {
  static constexpr const char* name = "pick";
  struct Attr {
    const std::int32_t* ids;
  };
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    require(in[0].shape.rank == 2, "pick: shape ", in[0].shape, ", expected (rows, columns)");
    return {in[0].shape[0]};
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    for (Index i = 0; i < out.size(); ++i)
      require(attr.ids[i] >= 0 && attr.ids[i] < in[0].shape[1], "pick: id ", attr.ids[i], " of row ", i,
              " is outside shape ", in[0].shape);
    A::Backend::pick(context, out.size(), in[0].shape[1], attr.ids, in[0].data, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, place(g, attr.ids, in[0].shape[1]));
  }
};

// x (rows) -> (rows, columns), zero but for one element a row; the transpose of pick.
struct Place {
  static constexpr const char* name = "place";
  struct Attr {
    const std::int32_t* ids;
    Index columns;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(in[0].shape.rank == 1, "place: shape ", in[0].shape, ", expected (rows)");
    return {in[0].shape[0], attr.columns};
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    A::Backend::fill(context, out.size(), typename A::Real(0), out.data);
    for (Index i = 0; i < in[0].size(); ++i)
      require(attr.ids[i] >= 0 && attr.ids[i] < attr.columns, "place: id ", attr.ids[i], " of row ", i, " is outside ",
              out.shape);
    A::Backend::place(context, in[0].size(), attr.columns, attr.ids, in[0].data, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    d.give(0, pick(g, attr.ids));
  }
};

}  // namespace op

// The sum or mean of the table rows named by each bag. Errors: an id beyond the table.
template <Value T>
T gather(const T& table, const Bags& bags) {
  return apply<op::Gather>({bags}, {table});
}
// A table of zeros with the rows added where the bags say.
template <Value T>
T scatter(const T& rows, const Bags& bags, Index table_rows) {
  return apply<op::Scatter>({bags, table_rows}, {rows});
}
// x[i, ids[i]].
template <Value T>
T pick(const T& x, const std::int32_t* ids) {
  return apply<op::Pick>({ids}, {x});
}
template <Value T>
T place(const T& x, const std::int32_t* ids, Index columns) {
  return apply<op::Place>({ids, columns}, {x});
}

}  // namespace thaw::inline v0
