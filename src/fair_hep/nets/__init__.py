"""Building blocks of graph networks that can be exported and explained: neighbours, EdgeConv, GravNet, kinematics."""
