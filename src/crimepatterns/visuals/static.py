"""Every figure in one place: give a result, get a matplotlib figure back."""

from crimepatterns.visuals.importance import importance_figure
from crimepatterns.visuals.static_clusters import cluster_map
from crimepatterns.visuals.static_context import covariate_map
from crimepatterns.visuals.static_maps import forecast_map, hot_spot_map, significance_map
from crimepatterns.visuals.static_patterns import chains_map, change_map, kinds_map, repeat_table
from crimepatterns.visuals.static_scores import calibration_plot, hit_rate_curve, scoreboard
from crimepatterns.visuals.static_times import hour_weekday_map, seasonality, trend

__all__ = [
    "calibration_plot",
    "chains_map",
    "change_map",
    "cluster_map",
    "covariate_map",
    "forecast_map",
    "hit_rate_curve",
    "hot_spot_map",
    "hour_weekday_map",
    "importance_figure",
    "kinds_map",
    "repeat_table",
    "scoreboard",
    "seasonality",
    "significance_map",
    "trend",
]
